#!/usr/bin/env bash
# Says how to use what `make k8s` brought up in the folder STATE.
set -euo pipefail
# shellcheck source=lab/places.sh
source "$(dirname "$0")/lab/places.sh"
export KUBECONFIG=$1/admin.kubeconfig
key=$("$bin/kubectl" get secret mooring-admin-key --namespace mooring --output jsonpath='{.data.key}' | base64 --decode)
cat <<END

export KUBECONFIG=$KUBECONFIG PATH=$bin:\$PATH
kubectl get mcpadapters,pods --all-namespaces

curl -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' 'http://10.96.0.80/adapters?wait=30s' \\
  -d '{"name":"first","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_COMMAND":"mcp-server-everything"}}'

Its MCP endpoint is then http://10.96.0.80/adapters/first/mcp. make k8s-stop ends it all.
END
