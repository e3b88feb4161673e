#!/usr/bin/env bash
# Starts node I of the lab in LAB_STATE, also again after it was killed:
#
#   join.sh I
set -euo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
i=${1:?the number of the node}
folder=$LAB_STATE/node-$i

mkdir -p "$folder"
rm -f "$folder"/{wants-net,has-net}
for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
	[ ! -d "/sys/fs/cgroup/$controller" ] || mkdir -p "/sys/fs/cgroup/$controller/$bridge/node-$i"
done
spawn "node-$i" unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc --propagation private \
	"$lab/node.sh" "$i" "$bin" "$LAB_STATE" "$net" "$bridge"
outer=$(tail -n 1 "$LAB_STATE/run/pids" | cut -d' ' -f2)
wait_for 10 test -e "$folder/wants-net"
inner=$(cat "/proc/$outer/task/$outer/children")
ip link add "mooring-n$i" type veth peer name eth0 netns "${inner%% *}"
ip link set "mooring-n$i" master $bridge up
ip route replace "10.244.$i.0/24" via "$net.$((i + 1))"
: >"$folder/has-net"
