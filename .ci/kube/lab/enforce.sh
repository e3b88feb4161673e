#!/usr/bin/env bash
# Makes each node of the lab in LAB_STATE enforce network policies, as long as the
# node lives. It takes some seconds.
set -euo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
libraries=$bin/root/usr/lib/$(uname -m)-linux-gnu
while read -r name pid start; do
	[[ $name == node-* && $(started "$pid") == "$start" ]] || continue
	inner=$(cat "/proc/$pid/task/$pid/children")
	setsid nsenter -t "${inner%% *}" -m -p -n -- env PATH="$bin:$bin/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$libraries" \
		XTABLES_LIBDIR="$libraries/xtables" "$bin/kube-router" --run-firewall --run-router=false --run-service-proxy=false \
		--kubeconfig "$LAB_STATE/admin.kubeconfig" --hostname-override "$name" --service-cluster-ip-range "$services" \
		--metrics-port 0 --health-port 0 >"$LAB_STATE/log/$name.policies.log" 2>&1 </dev/null &
done <"$LAB_STATE/run/pids"
