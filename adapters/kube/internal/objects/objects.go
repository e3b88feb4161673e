// Package objects says which objects of Kubernetes an adapter is made of. It is
// pure: from the adapter and the operator's settings to objects, the same each
// time. It asks no cluster, and does not know what is there.
package objects

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// Port is where servers listen, and portName what it is called.
const (
	Port     = 8000
	portName = "mcp"
)

// SealingKey is the key of the sealing Secret's data.
const SealingKey = "sealing.key"

// Input is what objects are made of.
type Input struct {
	// Object is the adapter in Kubernetes, with namespace and UID.
	Object *v1alpha1.MCPAdapter
	// Adapter is the same as the Store reads it.
	Adapter adapters.Adapter
	// Settings are the operator's, filled in.
	Settings settings.Settings
	// Asleep says that there are to be no pods, since nobody calls.
	Asleep bool
}

// Set is what an adapter is made of. What is nil must not be there.
type Set struct {
	StatefulSet         *appsv1.StatefulSet
	Service             *corev1.Service
	PodDisruptionBudget *policyv1.PodDisruptionBudget
	NetworkPolicy       *networkingv1.NetworkPolicy
}

// Make returns the objects of the adapter, whose StatefulSet is as it is in the
// end: see Rollout for the way there.
func Make(in Input) Set {
	set := Set{StatefulSet: in.statefulSet(), Service: in.service()}
	if in.Adapter.ReplicaCount > 1 {
		set.PodDisruptionBudget = in.disruptionBudget()
	}
	if in.Settings.NetworkEnabled() {
		set.NetworkPolicy = in.networkPolicy()
	}
	return set
}

// Before are the objects that must be there before there is any pod, in no order: the
// NetworkPolicy is one, so that no pod is ever without it.
func (s Set) Before() []client.Object {
	if s.NetworkPolicy == nil {
		return []client.Object{s.Service}
	}
	return []client.Object{s.NetworkPolicy, s.Service}
}

// Pods are the objects that make pods and look after them, in the order in which they
// are made.
func (s Set) Pods() []client.Object {
	if s.PodDisruptionBudget == nil {
		return []client.Object{s.StatefulSet}
	}
	return []client.Object{s.StatefulSet, s.PodDisruptionBudget}
}

// All are the objects that must be there.
func (s Set) All() []client.Object { return append(s.Before(), s.Pods()...) }

// SealingSecret is the Secret of the key by which the bridges of the adapter seal
// sessions, so that one can go on with those of another.
func SealingSecret(in Input, key []byte) *corev1.Secret {
	immutable := true
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: in.meta(SealingName(in.Adapter.Name)),
		Type:       corev1.SecretTypeOpaque,
		Immutable:  &immutable,
		Data:       map[string][]byte{SealingKey: key},
	}
}

// service is headless: it names the pods for the StatefulSet, and makes
// Kubernetes say which of them are ready. Envoy connects to the pods themselves.
func (in Input) service() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: in.meta(Name(in.Adapter.Name)),
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  selector(in.Adapter),
			Ports: []corev1.ServicePort{{
				Name: portName, Port: Port, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(Port),
			}},
		},
	}
}

// disruptionBudget lets nodes be emptied one replica at a time. Replicas that do
// not serve hold nobody up.
func (in Input) disruptionBudget() *policyv1.PodDisruptionBudget {
	one, always := intstr.FromInt32(1), policyv1.AlwaysAllow
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: in.meta(Name(in.Adapter.Name)),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             &one,
			Selector:                   &metav1.LabelSelector{MatchLabels: selector(in.Adapter)},
			UnhealthyPodEvictionPolicy: &always,
		},
	}
}

// isBridge reports whether the server runs in, or behind, a bridge.
func (in Input) isBridge() bool { return in.Adapter.ImageName == adapters.BridgeImage }
