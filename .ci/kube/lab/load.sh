#!/usr/bin/env bash
# Loads archives of images on every node of the lab in LAB_STATE:
#
#   load.sh ARCHIVE...
set -euo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
while read -r name pid start; do
	[[ $name == node-* && $(started "$pid") == "$start" ]] || continue
	inner=$(cat "/proc/$pid/task/$pid/children")
	for archive in "$@"; do
		nsenter -t "${inner%% *}" -m -p -n -- "$bin/root/usr/bin/ctr" -a /run/containerd/containerd.sock -n k8s.io \
			images import "$(realpath "$archive")" </dev/null >/dev/null
	done &
done <"$LAB_STATE/run/pids"
for job in $(jobs -p); do wait "$job"; done
