#!/usr/bin/env bash
# Brings up the lab with two nodes and the chart of this checkout in it:
#
#   up.sh ARCHIVES [VALUES]   a folder that images/build.sh filled; a file with more
#                             values for the chart
#
# HELM is the command that runs Helm. Prints KUBECONFIG and LAB_STATE for a shell
# to evaluate; lab/stop.sh ends it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archives=${1:?the folder of the archives}
# shellcheck source=lab/places.sh
source "$here/lab/places.sh"
environment=$("$here/lab/start.sh" node 2)
eval "$environment"
trap 'say "failed at line $LINENO"; "$here/lab/stop.sh" >&2' ERR
export PATH=$bin:$PATH

say "loading images"
"$here/lab/load.sh" "$archives"/*.tar
kubectl apply --filename "$here/cluster.yaml" >/dev/null
say "installing the chart"
${HELM:-helm} upgrade --install mooring "$here/../../charts/mooring" --namespace mooring --values "$here/values.yaml" ${2:+--values "$2"} \
	--wait --timeout 3m >"$LAB_STATE/log/helm.log" 2>&1 || {
	cat "$LAB_STATE/log/helm.log"
	kubectl get pods --all-namespaces --output wide
	kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -n 30
	kubectl logs --namespace mooring --selector app.kubernetes.io/instance=mooring --all-containers --tail 20 --prefix
	false
} >&2
say "Mooring is up"
echo "$environment"
