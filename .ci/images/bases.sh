#!/bin/bash
# Makes the images that our Dockerfiles name in FROM, for a machine that reaches
# package registries but no image registry: Debian by debootstrap, Node from its
# npm package, Go from this machine's toolchain. A base is made again only when
# what it is made of changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${IMAGES_DIR:-$(cd "$here/../.." && pwd)/.images}
mkdir -p "$dir/bases"

b() { "$here/buildah" "$@"; }
say() { printf 'images: %s\n' "$*"; }

# up_to_date NAME KEY: the base is there, and was made of the same things.
up_to_date() {
  [ "$(cat "$dir/bases/$1" 2>/dev/null)" = "$2" ] && b inspect --type image "$1" >/dev/null 2>&1
}

# start FROM: a working container; sets ctr and root.
start() { ctr=$(b from --pull=never "$1") && root=$(b mount "$ctr"); }

# finish NAME KEY: turns the working container into the image NAME.
finish() {
  b umount "$ctr" >/dev/null
  b commit --quiet --rm "$ctr" "$1" >/dev/null
  echo "$2" >"$dir/bases/$1"
}

# slim ROOT: leaves out what Debian's slim images leave out, now and for packages
# that come later, and apt's caches.
slim() {
  local p
  for p in doc info locale man lintian linda groff; do
    rm -rf "$1/usr/share/$p"
    echo "path-exclude /usr/share/$p/*"
  done >"$1/etc/dpkg/dpkg.cfg.d/slim"
  printf '%s "";\n' Dir::Cache::pkgcache Dir::Cache::srcpkgcache >"$1/etc/apt/apt.conf.d/slim"
  rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*.log "$1"/var/log/apt
}

# npm_package NAME@VERSION TARGET: unpacks a pinned package into a folder.
npm_package() {
  local want file got tmp=$dir/tmp/npm
  want=$(awk -v n="$1" '$1 == n { print $2 }' "$here/pins")
  rm -rf "$tmp" && mkdir -p "$tmp" "$2"
  file=$(cd "$tmp" && npm pack --silent "$1")
  got=sha512-$(openssl dgst -sha512 -binary "$tmp/$file" | base64 --wrap=0)
  if [ "$got" != "$want" ]; then
    say "$1 has integrity $got, pinned is $want" >&2
    return 1
  fi
  tar --extract --gzip --file "$tmp/$file" --directory "$2" --strip-components=1 --no-same-owner
  rm -rf "$tmp"
}

debian() {
  local name=debian:bookworm-slim key
  key=$(declare -f debian slim | sha256sum)
  up_to_date "$name" "$key" && return
  say "making $name with debootstrap"
  start scratch
  debootstrap --variant=minbase bookworm "$root" >"$dir/debootstrap.log" 2>&1 ||
    { tail -n 5 "$dir/debootstrap.log" >&2; return 1; }
  slim "$root"
  # debootstrap copies the machine's own.
  rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
  touch "$root/etc/resolv.conf"
  b config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$ctr"
  finish "$name" "$key"
}

node() {
  local name=node:24-bookworm-slim key arch package npm
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; esac
  package=$(awk -v p="node-linux-$arch@" 'index($1, p) == 1 { print $1 }' "$here/pins")
  npm=$(awk 'index($1, "npm@") == 1 { print $1 }' "$here/pins")
  key=$(cat "$dir/bases/debian:bookworm-slim" "$here/pins" <(declare -f node npm_package) | sha256sum)
  up_to_date "$name" "$key" && return
  say "making $name from $package and $npm"
  start debian:bookworm-slim
  npm_package "$package" "$dir/tmp/node"
  cp -r "$dir/tmp/node/bin" "$dir/tmp/node/include" "$root/usr/local/"
  npm_package "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  rm -rf "$dir/tmp/node"
  b run "$ctr" -- useradd --uid 1000 --user-group --create-home --shell /bin/bash node
  b config --cmd node "$ctr"
  finish "$name" "$key"
}

golang() {
  local name=golang:1.26-bookworm goroot key
  goroot=$(go env GOROOT)
  key=$(cat "$dir/bases/debian:bookworm-slim" "$goroot/VERSION" <(declare -f golang) | sha256sum)
  up_to_date "$name" "$key" && return
  say "making $name from this machine's $(go env GOVERSION)"
  start debian:bookworm-slim
  b run "$ctr" -- sh -c 'apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates' \
    >"$dir/golang.log" 2>&1 || { tail -n 5 "$dir/golang.log" >&2; return 1; }
  slim "$root"
  cp -a "$goroot" "$root/usr/local/go"
  mkdir -p "$root/go"
  b config --env GOTOOLCHAIN=local --env GOPATH=/go --env PATH=/go/bin:/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --workingdir /go "$ctr"
  finish "$name" "$key"
}

debian
node
golang
