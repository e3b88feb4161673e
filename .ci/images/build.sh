#!/bin/bash
# Builds mcp-proxy, mooring-xds and mooring-extproc from their Dockerfiles, with
# buildah and without a daemon. See docs/how-to/images.md.
#
#   IMAGES_VERSION   version in labels and tags (dev)
#   IMAGES_DIR       where storage and caches go (.images)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
dir=${IMAGES_DIR:-$PWD/.images}
version=${IMAGES_VERSION:-dev}
revision=$(git rev-parse HEAD 2>/dev/null || true)

say() { printf 'images: %s\n' "$*"; }

# require: buildah and debootstrap, installed when this is root on Debian.
require() {
  if [ "$(id -u)" != 0 ]; then
    say "needs root (debootstrap and chroot); with Docker: docker build -f bridge/Dockerfile -t mcp-proxy ." >&2
    exit 1
  fi
  local tool missing=()
  for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] && return
  if ! command -v apt-get >/dev/null; then
    say "install ${missing[*]} first" >&2
    exit 1
  fi
  say "installing ${missing[*]} with apt-get"
  { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } >"$dir/apt.log" 2>&1 ||
    { tail -n 5 "$dir/apt.log" >&2; exit 1; }
}

# machine_args: this machine's certificate authorities and package settings, for
# the build alone. They are mounted on folders that every Debian has and leaves
# empty (a new mount point would stay in the image), and given as arguments of
# stages that are thrown away. Go's modules come from the machine's own cache.
machine_args() {
  local ca=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt} index
  go mod download
  args+=(--volume "$(go env GOMODCACHE)/cache/download:/srv:ro" --build-arg GOPROXY=file:///srv)
  if [ -f "$ca" ]; then
    mkdir -p "$dir/machine"
    cp "$ca" "$dir/machine/ca.pem"
    args+=(--volume "$dir/machine:/mnt:ro" --build-arg PIP_CERT=/mnt/ca.pem)
  fi
  index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
  [ -z "$index" ] || args+=(--build-arg "PIP_INDEX_URL=$index")
}

# build NAME FOLDER
build() {
  say "building $1:$version from $2/Dockerfile"
  "$here/buildah" build --layers --pull=never --file "$2/Dockerfile" "${args[@]}" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --tag "$1:$version" --tag "$1:latest" . >"$dir/$1.log" 2>&1 ||
    { tail -n 20 "$dir/$1.log" >&2; say "building $1 failed; the whole log is in $dir/$1.log" >&2; exit 1; }
}

mkdir -p "$dir"
require
"$here/bases.sh"
args=()
machine_args
build mcp-proxy bridge
build mooring-xds xds
build mooring-extproc extproc
"$here/buildah" images --format 'images: {{.Name}}:{{.Tag}} {{.Size}}' | grep -E '/(mcp-proxy|mooring-)'
