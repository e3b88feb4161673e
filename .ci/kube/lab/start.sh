#!/usr/bin/env bash
# Starts Kubernetes on this machine and returns when it is usable:
#
#   start.sh control    etcd, API, controllers, scheduler, on 127.0.0.1 (any user)
#   start.sh node [N]   and N nodes (1) with real pods, whose addresses this machine
#                       reaches (root; one such lab at a time on a machine)
#
# LAB_IMAGES are archives of images to load on each node. Prints KUBECONFIG and
# LAB_STATE for a shell to evaluate.
set -eEuo pipefail # -E: the trap is for functions too
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
mode=${1:-node} nodes=${2:-1}
export LAB_STATE=${LAB_STATE:-$(mktemp -d -t mooring-lab.XXXXXX)}
address=127.0.0.1
[ "$mode" = control ] || address=$net.1
[ ! -e "$LAB_STATE/run/pids" ] || { say "$LAB_STATE already holds a lab; stop.sh (make k8s-stop) ends it"; exit 1; }
if [ "$mode" = node ]; then
	((UID == 0)) || { say "nodes need root"; exit 1; }
	[ ! -e "/sys/class/net/$bridge" ] || { say "there is a lab with nodes on this machine already"; exit 1; }
fi
mkdir -p "$LAB_STATE"/{log,pki,run,etcd,pv}
: >"$LAB_STATE/run/pids"
trap 'say "failed at line $LINENO; see $LAB_STATE/log"; "$lab/stop.sh" >&2 || true' ERR

# identity FILE USER [GROUPS]: a static token, and a kubeconfig with it.
identity() {
	local token
	token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
	echo "$token,$2,$2${3:+,\"$3\"}" >>"$LAB_STATE/pki/tokens.csv"
	cat >"$LAB_STATE/$1.kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: lab, cluster: {server: "https://$address:$port", certificate-authority: "$LAB_STATE/pki/apiserver.crt"}}]
		users: [{name: lab, user: {token: "$token"}}]
		contexts: [{name: lab, context: {cluster: lab, user: lab}}]
		current-context: lab
	END
}

identities() {
	(umask 077 && : >"$LAB_STATE/pki/tokens.csv")
	identity admin admin system:masters
	identity controller-manager system:kube-controller-manager
	identity scheduler system:kube-scheduler
	identity proxy system:kube-proxy
	identity dns lab-dns
	for i in $(seq "$nodes"); do identity "kubelet-$i" "system:node:node-$i" system:nodes; done
	openssl genrsa -out "$LAB_STATE/pki/sa.key" 2048 2>/dev/null
}

network() {
	ip link add $bridge type bridge
	echo $bridge >"$LAB_STATE/run/bridge"
	ip addr add $net.1/24 dev $bridge
	ip link set $bridge up
}

api() {
	local peer=http://127.0.0.1:$((port + 2)) client=http://127.0.0.1:$((port + 1))
	spawn etcd "$bin/etcd" --data-dir "$LAB_STATE/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls "$client" --advertise-client-urls "$client" \
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
	spawn kube-apiserver "$bin/kube-apiserver" --etcd-servers "$client" --cert-dir "$LAB_STATE/pki" \
		--bind-address $address --advertise-address $net.1 --secure-port "$port" --endpoint-reconciler-type="$endpoints" \
		--service-cluster-ip-range $services --kubelet-preferred-address-types=InternalIP --allow-privileged=true \
		--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
		--audit-policy-file "$lab/audit.yaml" --audit-log-path "$LAB_STATE/log/audit.json" \
		--token-auth-file "$LAB_STATE/pki/tokens.csv" --service-account-issuer https://kubernetes.default.svc \
		--service-account-key-file "$LAB_STATE/pki/sa.key" --service-account-signing-key-file "$LAB_STATE/pki/sa.key"
	wait_for 120 kubectl get --raw /readyz
	say "the API is ready"
}

controllers() {
	local -a own=()
	if [ "$mode" = node ]; then
		# The provisioner of host paths writes to one fixed folder: theirs is $LAB_STATE/pv.
		mkdir -p /tmp/hostpath_pv
		own=(unshare --mount --propagation private sh -c 'mount --bind "$0" /tmp/hostpath_pv && exec "$@"' "$LAB_STATE/pv")
	fi
	# With the usual rate of requests the first service account takes 6 s.
	local -a rate=(--leader-elect=false --kube-api-qps 500 --kube-api-burst 1000 --bind-address 127.0.0.1)
	spawn kube-controller-manager "${own[@]}" "$bin/kube-controller-manager" --kubeconfig "$LAB_STATE/controller-manager.kubeconfig" \
		"${rate[@]}" --secure-port $((port + 3)) --cert-dir "$LAB_STATE/pki/controllers" --use-service-account-credentials \
		--service-account-private-key-file "$LAB_STATE/pki/sa.key" --root-ca-file "$LAB_STATE/pki/apiserver.crt" \
		--node-monitor-grace-period 20s --enable-hostpath-provisioner
	spawn kube-scheduler "$bin/kube-scheduler" --kubeconfig "$LAB_STATE/scheduler.kubeconfig" \
		"${rate[@]}" --secure-port $((port + 4)) --cert-dir "$LAB_STATE/pki/scheduler" \
		--authentication-kubeconfig "$LAB_STATE/scheduler.kubeconfig" --authorization-kubeconfig "$LAB_STATE/scheduler.kubeconfig"
	wait_for 60 kubectl get serviceaccount default
	say "the controllers are ready"
}

names() {
	cat >"$LAB_STATE/Corefile" <<-END
		.:53 {
		  bind $net.1
		  errors
		  kubernetes cluster.local $services 10.244.0.0/16 {
		    kubeconfig $LAB_STATE/dns.kubeconfig lab
		    ttl 1
		  }
		}
	END
	spawn dns "$bin/coredns" -conf "$LAB_STATE/Corefile"
}

identities
export KUBECONFIG=$LAB_STATE/admin.kubeconfig PATH=$bin:$PATH
# Pods find the API by its Service only where it says where it is.
endpoints=none
[ "$mode" = control ] || { endpoints=lease && network; }
api
controllers
if [ "$mode" = node ]; then
	kubectl apply -f "$lab/cluster.yaml" >/dev/null
	names
	for i in $(seq "$nodes"); do "$lab/join.sh" "$i"; done
	ip route add $services via $net.2 # Services from this machine: through node 1
	for i in $(seq "$nodes"); do wait_for 120 kubectl wait --for=condition=Ready "node/node-$i" --timeout=1s; done
	say "$nodes nodes are ready"
fi
echo "export KUBECONFIG=$KUBECONFIG"
echo "export LAB_STATE=$LAB_STATE"
