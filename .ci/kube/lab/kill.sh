#!/usr/bin/env bash
# Ends node I of the lab in LAB_STATE as a power cut does; join.sh starts it again:
#
#   kill.sh I
set -euo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
while read -r name pid start; do
	[[ $name == "node-${1:?the number of the node}" && $(started "$pid") == "$start" ]] || continue
	inner=$(cat "/proc/$pid/task/$pid/children")
	kill -KILL "${inner%% *}"
	wait_for 30 eval '[ "$(started "$pid")" != "$start" ]'
done <"$LAB_STATE/run/pids"
