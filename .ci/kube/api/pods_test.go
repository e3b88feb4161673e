package api

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const settingsText = `
images: {bridge: "registry.example/mcp-proxy:1"}
network:
  envoy: {namespace: mooring, podLabels: {app: envoy}}
  controlPlane: {namespace: mooring, podLabels: {app: xds}}
`

// settingsOf are the operator's in tests.
func settingsOf(t *testing.T) kube.Settings {
	t.Helper()
	s, err := kube.ReadSettings([]byte(settingsText))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writes counts the requests to the API server that change something, and all.
type writes struct {
	next        http.RoundTripper
	all, change atomic.Int64
}

func (w *writes) RoundTrip(r *http.Request) (*http.Response, error) {
	// The election of a leader goes on all the time.
	if !strings.Contains(r.URL.Path, "/leases") {
		w.all.Add(1)
		if r.Method != http.MethodGet {
			w.change.Add(1)
		}
	}
	return w.next.RoundTrip(r)
}

// counted makes a cluster's requests be counted.
func counted(w *writes) func(*kube.Config) {
	return func(cfg *kube.Config) {
		cfg.REST = rest.CopyConfig(cfg.REST)
		cfg.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
			w.next = next
			return w
		})
	}
}

// stdio is an adapter of that name in the bridge's image.
func stdio(namespace, name string, replicas int32) *v1alpha1.MCPAdapter {
	return &v1alpha1.MCPAdapter{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.MCPAdapterSpec{
			ImageName: "mcp-proxy", ImageVersion: "1.0.0", ReplicaCount: &replicas,
			EnvironmentVariables: map[string]v1alpha1.VariableValue{"MCP_COMMAND": "npx"},
		},
	}
}

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	wait(t, what, 20*time.Second, holds)
}

// wait is eventually with a time of its own.
func wait(t *testing.T, what string, patience time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func key(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// there reports whether the object of that name is.
func there(t *testing.T, name client.ObjectKey, o client.Object) bool {
	t.Helper()
	err := server.admin.Get(t.Context(), name, o)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil && o.GetDeletionTimestamp() == nil
}

// pod makes the pod of that ordinal, as the controller of StatefulSets would, and
// the slice that says that it is ready.
func pod(t *testing.T, set *appsv1.StatefulSet, ordinal string) *corev1.Pod {
	t.Helper()
	controls := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: set.Name + "-" + ordinal, Namespace: set.Namespace, Labels: set.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: &controls}},
		},
		Spec: set.Spec.Template.Spec,
	}
	p.Spec.NodeName = "node"
	if err := server.admin.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// serve makes the pod ready at an address.
func serve(t *testing.T, p *corev1.Pod, address string) {
	t.Helper()
	serveAt(t, p, address, address)
}

// serveAt makes the pod ready at an address, of which the slice has another.
func serveAt(t *testing.T, p *corev1.Pod, address, listed string) {
	t.Helper()
	started := true
	p.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
		Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "server", Ready: true, Started: &started, Image: "i", ImageID: "i", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	}
	if err := server.admin.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	ready := true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, Labels: p.Labels},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{listed}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: p.Name, UID: p.UID},
		}},
	}
	if err := server.admin.Create(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
}

// statusOf is the status of the adapter's object.
func statusOf(t *testing.T, namespace, name string) v1alpha1.MCPAdapterStatus {
	t.Helper()
	var object v1alpha1.MCPAdapter
	if err := server.admin.Get(t.Context(), key(namespace, name), &object); err != nil {
		t.Fatal(err)
	}
	return object.Status
}

// create makes objects.
func create(t *testing.T, list ...client.Object) {
	t.Helper()
	for _, o := range list {
		if err := server.admin.Create(context.WithoutCancel(t.Context()), o); err != nil {
			t.Fatal(err)
		}
	}
}
