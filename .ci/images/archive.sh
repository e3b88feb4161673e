#!/bin/bash
# Writes each built image as an archive that `docker load` and `ctr images import`
# read, under the name that users and pods give it: mcp-proxy:VERSION.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${IMAGES_DIR:-$(cd "$here/../.." && pwd)/.images}
version=${IMAGES_VERSION:-dev}

mkdir -p "$dir/archives"
for name in mcp-proxy mooring-xds mooring-extproc; do
  archive=$dir/archives/$name.tar
  rm -f "$archive"
  "$here/buildah" push --quiet "$name:$version" "docker-archive:$archive:$name:$version"
  printf 'images: %s, %s\n' "$archive" "$(du -h "$archive" | cut -f1)"
done
