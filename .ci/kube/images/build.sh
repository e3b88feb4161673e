#!/usr/bin/env bash
# Builds the images that only tests need, on top of `make images`, and writes those
# and ours to DIR as archives, for the nodes of the lab:
#
#   build.sh DIR
#
#   mooring-envoy:dev                      the pinned Envoy
#   mooring-servers:dev                    the bridge, with stdio servers inside
#   mooring-reference:stateful, :stateless the go-sdk's reference server, no bridge
set -euo pipefail
dir=$(realpath -m "${1:?a folder for the archives}")
cd "$(dirname "$0")/../../.."
here=.ci/kube/images
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$dir"

say() { printf 'images: %s\n' "$*"; }

# build NAME DOCKERFILE [ARGUMENT...]
build() {
	.ci/images/buildah build --layers --pull=never --file "$2" --tag "$1" "${@:3}" "$context" >"$dir/build.log" 2>&1 ||
		{ tail -n 20 "$dir/build.log" >&2; say "building $1 failed" >&2; exit 1; }
}

# documented NAME: the Dockerfile of that name in the guide.
documented() { awk -v name="# Dockerfile: $1" '/^```/ { on = 0 } on { print } $0 == name { on = 1 }' docs/how-to/images.md; }

# machine_args: this machine's certificate authorities, for npm during the build.
machine_args() {
	local ca=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
	[ -f "$ca" ] || return 0
	mkdir -p "$context/machine"
	cp "$ca" "$context/machine/ca.pem"
	args=(--volume "$context/machine:/mnt:ro" --env NODE_EXTRA_CA_CERTS=/mnt/ca.pem)
}

# archive NAME: written only where the image changed.
archive() {
	local id file=$dir/${1/:/-}.tar
	id=$(.ci/images/buildah inspect --type image --format '{{.FromImageID}}' "$1")
	[ "$(cat "$file.id" 2>/dev/null)" != "$id" ] || return 0
	rm -f "$file"
	.ci/images/buildah push --quiet "$1" "docker-archive:$file:$1"
	echo "$id" >"$file.id"
	say "$file, $(du -h "$file" | cut -f1)"
}

say "building what only tests need"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$context/" ./envoy/e2e/testserver \
	github.com/modelcontextprotocol/go-sdk/conformance/everything-server
cp --dereference .tools/bin/envoy "$context/envoy"
documented npm-package | sed 's/^FROM mcp-proxy$/FROM mcp-proxy:dev/' >"$context/npm-package.Dockerfile"
args=()
machine_args
build mooring-npm:dev "$context/npm-package.Dockerfile" "${args[@]}"
build mooring-servers:dev $here/servers.Dockerfile --build-arg BASE=mooring-npm:dev
build mooring-envoy:dev $here/envoy.Dockerfile
for mode in stateful stateless; do build mooring-reference:$mode $here/reference.Dockerfile --target $mode; done
for name in mooring-{xds,extproc,envoy,servers}:dev mooring-reference:{stateful,stateless}; do archive "$name"; done
