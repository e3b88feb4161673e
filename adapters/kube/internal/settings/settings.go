// Package settings is what an operator says of the pods of adapters: their
// images, resources, identity and network. It reads, fills in and judges the
// file; it makes no object of it, and asks no cluster.
package settings

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultGracePeriod is Settings.TerminationGracePeriod where it is not set.
const DefaultGracePeriod = time.Minute

// Settings are the operator's. Read fills in what is not set.
type Settings struct {
	// Images say where images come from. Images.Bridge is required.
	Images Images `json:"images"`
	// Resources are those of adapters that name none. Absent means a small request
	// of both, and 4Gi of memory at most: a hundred sessions of a stdio server, which
	// a bridge has at most, are a hundred processes.
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// PodDefaults are given to each pod of an adapter.
	PodDefaults PodDefaults `json:"podDefaults"`
	// Bridge is what the bridges of adapters are told.
	Bridge Bridge `json:"bridge"`
	// WorkloadIdentity is what useWorkloadIdentity gives. The zero value gives
	// nothing, and adapters that ask for it say so in a condition.
	WorkloadIdentity WorkloadIdentity `json:"workloadIdentity"`
	// Network is who may speak with adapters, and with whom they may.
	Network Network `json:"network"`
	// TerminationGracePeriod is how long a pod that is to end may keep its
	// sessions. Absent means DefaultGracePeriod.
	TerminationGracePeriod metav1.Duration `json:"terminationGracePeriod"`
	// ScaleToZero says when adapters that nobody uses have no pods. The zero value
	// means never.
	ScaleToZero ScaleToZero `json:"scaleToZero"`
}

// Images say where images come from.
type Images struct {
	// Bridge is the image of adapters whose imageName is mcp-proxy. With a tag or
	// a digest it is taken as it is, whatever their imageVersion; without, it gets
	// their imageVersion as its tag. Required.
	Bridge string `json:"bridge"`
	// RegistryPrefix stands before the imageName of all other adapters:
	// "registry.example/mcp/" makes of tools:1.0 registry.example/mcp/tools:1.0.
	// Empty means that names are taken as they are.
	RegistryPrefix string `json:"registryPrefix,omitempty"`
	// PullPolicy is that of all. Empty means IfNotPresent.
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`
	// PullSecrets name Secrets in the namespace of adapters.
	PullSecrets []corev1.LocalObjectReference `json:"pullSecrets,omitempty"`
}

// PodDefaults are given to each pod of an adapter. What an adapter's own object
// says wins, but for labels that Mooring sets.
type PodDefaults struct {
	Labels                    map[string]string                 `json:"labels,omitempty"`
	Annotations               map[string]string                 `json:"annotations,omitempty"`
	NodeSelector              map[string]string                 `json:"nodeSelector,omitempty"`
	Tolerations               []corev1.Toleration               `json:"tolerations,omitempty"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	PriorityClassName         string                            `json:"priorityClassName,omitempty"`
	RuntimeClassName          string                            `json:"runtimeClassName,omitempty"`
}

// Bridge is what the bridges of adapters are told.
type Bridge struct {
	// Environment are variables of all bridges, and of the servers that they start:
	// addresses of proxies and of package registries, say. An adapter's own win.
	// Of names under MOORING_ only the limits of a bridge are allowed, which servers
	// do not get; those under OTEL_ are for the bridge alone.
	Environment map[string]string `json:"environment,omitempty"`
	// PolicyConfigMap names a ConfigMap in the namespace of adapters whose key
	// policy.yaml has the operator's rules, of which bridges follow egress. Empty
	// means none.
	PolicyConfigMap string `json:"policyConfigMap,omitempty"`
	// RootsConfigMap names a ConfigMap there whose key ca.crt has certificates of
	// authorities that remote servers may have theirs from, beside the system's.
	// Empty means none.
	RootsConfigMap string `json:"rootsConfigMap,omitempty"`
}

// IdentityProvider is whose tokens workloads get.
type IdentityProvider string

// The providers.
const (
	// ProviderAzure means Entra Workload ID: its webhook sees a label of the pod.
	ProviderAzure IdentityProvider = "azure"
	// ProviderAWS means IAM roles for service accounts, or EKS Pod Identity: an
	// annotation of the ServiceAccount, or an association.
	ProviderAWS IdentityProvider = "aws"
	// ProviderGCP means Workload Identity Federation for GKE: an annotation of the
	// ServiceAccount, and the metadata server, which is allowed then.
	ProviderGCP IdentityProvider = "gcp"
	// ProviderToken means a token of the cluster itself for Audience.
	ProviderToken IdentityProvider = "token"
)

// WorkloadIdentity is what useWorkloadIdentity gives.
type WorkloadIdentity struct {
	// Provider is whose identity it is. Empty means that there is none.
	Provider IdentityProvider `json:"provider,omitempty"`
	// ServiceAccountName is the ServiceAccount of adapters that ask for it and name
	// none of their own, in their namespace. Required with a Provider.
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// Audience is whom the token of ProviderToken is for. Required with that.
	Audience string `json:"audience,omitempty"`
}

// Network is who may speak with adapters, and with whom they may.
type Network struct {
	// Enabled makes a NetworkPolicy for each adapter. Absent means true. Without,
	// every pod of the cluster can call servers around the gateway.
	Enabled *bool `json:"enabled,omitempty"`
	// Envoy are the gateway's pods, which alone reach servers. Required when
	// enabled.
	Envoy Peer `json:"envoy"`
	// ControlPlane are the pods that ask bridges how they are, and which tools they
	// have. Required when enabled.
	ControlPlane Peer `json:"controlPlane"`
	// MetricsFrom reach the port of servers too, where bridges serve /metrics.
	// Empty means nobody.
	MetricsFrom []networkingv1.NetworkPolicyPeer `json:"metricsFrom,omitempty"`
	// Egress is where adapters may connect to, beside DNS. Absent means
	// everywhere; an empty list, nowhere. The clouds' metadata addresses are taken
	// out of every block that is wider than them.
	Egress *[]networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty"`
}

// Peer are pods of one namespace.
type Peer struct {
	Namespace string            `json:"namespace"`
	PodLabels map[string]string `json:"podLabels"`
}

// NetworkEnabled reports whether adapters get NetworkPolicies.
func (s Settings) NetworkEnabled() bool { return s.Network.Enabled == nil || *s.Network.Enabled }

// Grace is TerminationGracePeriod in whole seconds, rounded up.
func (s Settings) Grace() int64 {
	return int64((s.TerminationGracePeriod.Duration + time.Second - 1) / time.Second)
}
