# Where the lab's files are; sourced by its scripts.
#
#   LAB_BIN     what build.sh made; outside the checkout, so that a kept machine keeps it
#   LAB_STATE   one lab's state: its kubeconfig (admin.kubeconfig), logs (log/), audit log
#   LAB_PORT    the API's port; the four after it are used too
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${LAB_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/mooring-lab}
port=${LAB_PORT:-26443}
bridge=mooring-lab
# Node i is $net.(i+1) and has the pods of 10.244.i.0/24.
net=10.245.0
services=10.96.0.0/16
say() { printf 'lab: %s\n' "$*" >&2; }

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || { say "gave up waiting for: $*"; return 1; }
		sleep 0.1
	done
}

# started PID: when the process began, which tells it from a later one of that id.
started() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null; }

# spawn NAME COMMAND...: in a session of its own, and noted for stop.sh.
spawn() {
	local name=$1
	shift
	setsid "$@" >"$LAB_STATE/log/$name.log" 2>&1 </dev/null 9>&- &
	echo "$name $! $(started $!)" >>"$LAB_STATE/run/pids"
}
