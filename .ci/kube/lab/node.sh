#!/usr/bin/env bash
# One node: process 1 of its own namespaces, started by join.sh. When it dies, the
# kernel ends all that runs in it, and its mounts and links go.
#
#   node.sh I BIN STATE NET BRIDGE
set -euo pipefail
i=$1 bin=$2 state=$3 net=$4 bridge=$5
folder=$state/node-$i address=$net.$((i + 1)) libraries=$bin/root/usr/lib/$(uname -m)-linux-gnu
socket=/run/containerd/containerd.sock
export PATH=$bin:$bin/root/usr/sbin:$bin/root/usr/bin:$PATH XTABLES_LIBDIR=$libraries/xtables
hostname "node-$i"

mounts() {
	mount --make-rshared / # volumes need mount propagation inside the node
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /var/log
	mount --bind "$state/pv" /tmp/hostpath_pv
	mkdir -p "$folder"/{kubelet,containerd,cni,net.d,sysctl} /run/lab
	# Names from outside are refused at once instead of timing out.
	echo "nameserver $net.1" >"$folder/resolv.conf"
	mount --bind "$folder/resolv.conf" "$(realpath /etc/resolv.conf)"
	# The kubelet sets these for the whole machine. It is shown files that have the
	# values already, so that the machine's own stay as they are.
	local setting file want
	for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
		kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
		file=/proc/sys/${setting%%=*} want=${setting##*=}
		[ "$(cat "$file")" != "$want" ] || continue
		echo "$want" >"$folder/sysctl/${file##*/}"
		mount --bind "$folder/sysctl/${file##*/}" "$file"
	done
}

network() {
	: >"$folder/wants-net"
	until [ -e "$folder/has-net" ]; do sleep 0.05; done
	ip link set lo up
	ip addr add "$address/24" dev eth0
	ip link set eth0 up
	ip route add default via "$net.1"
	echo 1 >/proc/sys/net/ipv4/ip_forward
	local j
	for j in 1 2 3 4 5 6 7 8 9; do
		[ $j = "$i" ] || ip route add "10.244.$j.0/24" via "$net.$((j + 1))"
	done
	rm -rf "$folder/cni" && mkdir "$folder/cni" # a node that was killed left its pods' addresses
	cat >"$folder/net.d/10-lab.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "lab", "plugins": [
		 {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
		  "ipam": {"type": "host-local", "dataDir": "$folder/cni", "ranges": [[{"subnet": "10.244.$i.0/24"}]]}}]}
	END
}

containers() {
	# restrict_oom_score_adj: root of a container lacks the right to lower it, and
	# without this no pod starts.
	cat >"$folder/containerd.toml" <<-END
		version = 2
		root = "$folder/containerd"
		state = "/run/containerd"
		disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
		[grpc]
		  address = "$socket"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "lab.local/pause:1"
		  disable_apparmor = true
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$bin/root/usr/lib/cni"
		    conf_dir = "$folder/net.d"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "overlayfs"
		    default_runtime_name = "runc"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		        SystemdCgroup = false
		        BinaryName = "$bin/root/usr/sbin/runc"
	END
	containerd --config "$folder/containerd.toml" >"$state/log/node-$i.containerd.log" 2>&1 &
	until ctr -a $socket version >/dev/null 2>&1; do sleep 0.1; done
	local archive
	for archive in "$bin/pause.tar" ${LAB_IMAGES:-}; do ctr -a $socket -n k8s.io images import "$archive"; done
}

kubernetes() {
	cat >"$folder/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		failSwapOn: false
		cgroupDriver: cgroupfs
		cgroupRoot: /$bridge/node-$i
		enforceNodeAllocatable: []
		containerRuntimeEndpoint: unix://$socket
		address: $address
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		clusterDomain: cluster.local
		clusterDNS: [$net.1]
		resolvConf: ""
		podLogsDir: $folder/pod-logs
		nodeStatusUpdateFrequency: 4s
		syncFrequency: 10s
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: 50Mi, nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
	END
	kubelet --config "$folder/kubelet.yaml" --kubeconfig "$state/kubelet-$i.kubeconfig" --root-dir "$folder/kubelet" \
		--hostname-override "node-$i" --node-ip "$address" >"$state/log/node-$i.kubelet.log" 2>&1 &
	LD_LIBRARY_PATH=$libraries kube-proxy --kubeconfig "$state/proxy.kubeconfig" --proxy-mode iptables \
		--hostname-override "node-$i" --cluster-cidr 10.244.0.0/16 --conntrack-max-per-core 0 --conntrack-min 0 \
		--conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0 >"$state/log/node-$i.kube-proxy.log" 2>&1 &
}

mounts
network
containers
kubernetes
wait
