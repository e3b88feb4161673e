package objects

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
)

// metadata are the networks where clouds give credentials to whoever asks: those
// that launch.URLPolicy refuses too.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("169.254.169.254/32"),
	netip.MustParsePrefix("169.254.170.2/32"),
	netip.MustParsePrefix("169.254.170.23/32"),
	netip.MustParsePrefix("192.0.0.192/32"),
	netip.MustParsePrefix("fd00:ec2::/32"),
	netip.MustParsePrefix("fd20:ce::254/128"),
}

// networkPolicy lets in who may call servers, and lets out as the operator says.
func (in Input) networkPolicy() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: in.meta(Name(in.Adapter.Name)),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selector(in.Adapter)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     in.ingress(),
			Egress:      in.egress(),
		},
	}
}

func (in Input) ingress() []networkingv1.NetworkPolicyIngressRule {
	network := in.Settings.Network
	from := []networkingv1.NetworkPolicyPeer{peer(network.Envoy)}
	if in.isBridge() {
		from = append(from, peer(network.ControlPlane))
	}
	return []networkingv1.NetworkPolicyIngressRule{{
		From:  append(from, network.MetricsFrom...),
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, Port)},
	}}
}

// egress is DNS, whatever serves it, and what the operator allows.
func (in Input) egress() []networkingv1.NetworkPolicyEgressRule {
	rules := []networkingv1.NetworkPolicyEgressRule{{
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)},
	}}
	switch in.identity() {
	case settings.ProviderAWS:
		rules = append(rules, toHost("169.254.170.23/32", 80))
	case settings.ProviderGCP:
		rules = append(rules, toHost("169.254.169.254/32", 80), toHost("169.254.169.252/32", 988))
	}
	if in.Settings.Network.Egress == nil {
		return append(rules, networkingv1.NetworkPolicyEgressRule{To: everywhere()})
	}
	for _, rule := range *in.Settings.Network.Egress {
		rules = append(rules, withoutMetadata(rule))
	}
	return rules
}

// everywhere is all addresses but the clouds' metadata, and all pods, which some
// networks do not count among addresses. Pods of other adapters let nobody in.
func everywhere() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{
		{IPBlock: pierced(networkingv1.IPBlock{CIDR: "0.0.0.0/0"})},
		{IPBlock: pierced(networkingv1.IPBlock{CIDR: "::/0"})},
		{NamespaceSelector: &metav1.LabelSelector{}},
	}
}

// withoutMetadata is the operator's rule without the metadata addresses, unless
// it names just them.
func withoutMetadata(rule networkingv1.NetworkPolicyEgressRule) networkingv1.NetworkPolicyEgressRule {
	if len(rule.To) == 0 {
		rule.To = everywhere()
		return rule
	}
	rule.To = slices.Clone(rule.To)
	for i, to := range rule.To {
		if to.IPBlock != nil {
			rule.To[i].IPBlock = pierced(*to.IPBlock)
		}
	}
	return rule
}

// pierced is the block without the metadata networks that it is wider than.
func pierced(block networkingv1.IPBlock) *networkingv1.IPBlock {
	cidr, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return &block // the cluster refuses it, and says why
	}
	block.Except = slices.Clone(block.Except)
	for _, m := range metadata {
		if cidr.Bits() < m.Bits() && cidr.Overlaps(m) && !slices.Contains(block.Except, m.String()) {
			block.Except = append(block.Except, m.String())
		}
	}
	return &block
}

func peer(p settings.Peer) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: p.Namespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: p.PodLabels},
	}
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	at := intstr.FromInt32(number)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &at}
}

func toHost(cidr string, number int32) networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To:    []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, number)},
	}
}
