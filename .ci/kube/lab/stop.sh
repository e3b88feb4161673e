#!/usr/bin/env bash
# Ends the lab in LAB_STATE: each process by its own id, checked against its start;
# then its network and cgroups. LAB_PURGE=1 also removes LAB_STATE, logs included.
set -uo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
pids=${LAB_STATE:?the folder that start.sh printed}/run/pids
if [ ! -e "$pids" ]; then # its logs may be left, of one that did not come up
	say "no lab runs in $LAB_STATE"
	[ "${LAB_PURGE:-}" != 1 ] || { rm -rf -- "$LAB_STATE/log" && rmdir -- "$LAB_STATE" 2>/dev/null; }
	exit 0
fi

# each COMMAND...: for all that still run, the last started first: NAME PID START.
each() {
	local name pid start
	while read -r name pid start; do
		[ "$(started "$pid")" != "$start" ] || "$@" "$name" "$pid" "$start"
	done < <(tac "$pids")
}

end() {
	local inner
	case $1 in
	node-*) # killing a node's process 1 ends all in it
		inner=$(cat "/proc/$2/task/$2/children" 2>/dev/null)
		kill -KILL ${inner:-$2}
		;;
	kube-apiserver | etcd) kill -KILL "$2" ;; # their data is thrown away; an orderly end takes seconds
	*) kill -TERM "$2" ;;
	esac
}

gone() {
	for _ in $(seq 30); do
		[ "$(started "$2")" = "$3" ] || return 0
		sleep 0.1
	done
	kill -KILL "$2"
}

network() {
	local link
	[ -e "$LAB_STATE/run/bridge" ] || return 0
	for link in $(ip -o link show master $bridge 2>/dev/null | awk -F'[ @:]+' '{ print $2 }'); do
		ip link del "$link" 2>/dev/null
	done
	ip link del $bridge 2>/dev/null
}

cgroups() {
	local folder
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		for folder in /sys/fs/cgroup/*/$bridge; do
			[ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
		done
		ls -d /sys/fs/cgroup/*/$bridge >/dev/null 2>&1 || break
		sleep 0.5
	done
}

each end
each gone
network
cgroups
rmdir /tmp/hostpath_pv 2>/dev/null
find "$LAB_STATE" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
[ "${LAB_PURGE:-}" != 1 ] || rm -rf -- "$LAB_STATE"
exit 0
