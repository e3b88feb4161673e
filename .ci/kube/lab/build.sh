#!/usr/bin/env bash
# Builds what the lab runs into LAB_BIN: Kubernetes as one program, from its Go
# modules; CoreDNS; kube-router; and Debian's containerd, runc and CNI plugins,
# unpacked and not installed. Does nothing where all is there.
#
#   build.sh control   only what `start.sh control` and tests of the API need
#   build.sh debian    only Debian's part, which nobody else may use apt beside
set -euo pipefail
# shellcheck source=places.sh
source "$(dirname "$0")/places.sh"
export CGO_ENABLED=0
mkdir -p "$bin"
exec 9>"$bin/.lock"
flock 9 # two builds at once would be twice the work

kubernetes() {
	local version minor flags="-s -w" package
	version=$(cd "$lab" && awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
	[ "$(cat "$bin/.version" 2>/dev/null)" != "$version" ] || return 0
	say "building Kubernetes $version into $bin (once; some 12 minutes of one processor)"
	IFS=. read -r _ minor _ <<<"$version"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
		flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=0000000000000000000000000000000000000000"
		flags+=" -X $package.buildDate=2026-01-01T00:00:00Z"
	done
	(cd "$lab" && go build -trimpath -ldflags "$flags" -o "$bin/kubernetes" ./kubernetes)
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -sf kubernetes "$bin/$name"
	done
	echo "$version" >"$bin/.version"
	say "Kubernetes is built"
}

dns() {
	[ ! -x "$bin/coredns" ] || return 0
	say "building CoreDNS"
	(cd "$lab/dns" && go build -trimpath -ldflags "-s -w" -o "$bin/coredns" .)
}

# policies is what enforces network policies: kube-router, of which the rest is not used.
policies() {
	[ ! -x "$bin/kube-router" ] || return 0
	say "building kube-router"
	(cd "$lab/policies" && go build -trimpath -ldflags "-s -w" -o "$bin/kube-router" github.com/cloudnativelabs/kube-router/v2/cmd/kube-router)
}

# pause writes the image of the process that holds a pod, as a docker archive.
pause() {
	[ ! -e "$bin/pause.tar" ] || return 0
	local dir layer
	dir=$(mktemp -d)
	(cd "$lab" && go build -trimpath -ldflags "-s -w" -o "$dir/pause" ./pause)
	tar --create --file "$dir/layer.tar" --directory "$dir" --owner=0 --group=0 --mtime=@0 pause
	layer=$(sha256sum "$dir/layer.tar" | cut -d' ' -f1)
	printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(go env GOARCH)" "$layer" >"$dir/config.json"
	printf '[{"Config":"config.json","RepoTags":["lab.local/pause:1"],"Layers":["layer.tar"]}]' >"$dir/manifest.json"
	tar --create --file "$bin/pause.tar" --directory "$dir" config.json layer.tar manifest.json
	rm -rf "$dir"
}

# debian unpacks the packages that nodes need, without installing them.
debian() {
	[ ! -x "$bin/root/usr/bin/containerd" ] || [ ! -x "$bin/root/usr/sbin/ipset" ] || return 0
	say "unpacking Debian's containerd"
	local dir file name
	dir=$(mktemp -d)
	chown _apt "$dir" # apt downloads as a user of its own
	apt-get update -qq
	(cd "$dir" && apt-get download -qq containerd runc containernetworking-plugins iptables conntrack ipset \
		libip4tc2 libip6tc2 libxtables12 libnftnl11 libnfnetlink0 libnetfilter-conntrack3 libipset13 libmnl0 libseccomp2)
	rm -rf "$bin/root.part"
	for file in "$dir"/*.deb; do dpkg -x "$file" "$bin/root.part"; done
	for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
		ln -sf xtables-legacy-multi "$bin/root.part/usr/sbin/$name"
	done
	rm -rf "$bin/root" "$dir"
	mv "$bin/root.part" "$bin/root"
}

case ${1:-all} in
control) kubernetes ;;
debian) debian ;;
all)
	debian
	kubernetes
	dns
	policies
	pause
	;;
esac
