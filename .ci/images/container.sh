#!/bin/bash
# Runs a command as a container runtime would, on a mounted root filesystem:
#
#   ROOT=… UIDGID=1:2 WORKDIR=/x READ_ONLY= VOLUMES="/home/mcp /tmp" CA=… container.sh NAME=VALUE… -- COMMAND…
#
# Namespaces for mounts and processes (the command is process 1), the machine's
# network, only the variables given. READ_ONLY makes the root read-only but for
# fresh volumes. CA is the machine's certificate file, seen as /mnt/ca.pem.
set -euo pipefail
if [ -z "${INSIDE:-}" ]; then
  exec env INSIDE=1 unshare --mount --pid --fork -- "$0" "$@"
fi
variables=()
while [ "$1" != -- ]; do variables+=("$1") && shift; done
shift

mount --bind "$ROOT" "$ROOT"
if [ -d "$ROOT/proc" ]; then
  mount -t proc proc "$ROOT/proc"
  mount --rbind /dev "$ROOT/dev"
  mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf"
  mount -t tmpfs tmpfs "$ROOT/mnt"
  [ -z "$CA" ] || cp "$CA" "$ROOT/mnt/ca.pem"
fi
if [ -n "$READ_ONLY" ]; then
  for volume in $VOLUMES; do mount -t tmpfs -o mode=1777 tmpfs "$ROOT$volume"; done
  mount -o remount,bind,ro "$ROOT"
fi
# unshare only changes root, folder and user here: no shell is needed inside, and
# an image may hold a single program and nothing else.
exec env -i "${variables[@]}" /usr/bin/unshare --root="$ROOT" --wd="${WORKDIR:-/}" \
  --setgid="${UIDGID#*:}" --setuid="${UIDGID%:*}" -- "$@"
