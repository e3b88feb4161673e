package api

import (
	"encoding/json"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// TestAdapterIsMade: all objects come, and at rest no request reaches the API.
func TestAdapterIsMade(t *testing.T) {
	ns := newNamespace(t)
	var count writes
	connect(t, ns, counted(&count))
	create(t, stdio(ns, "one", 3))
	set, service, policy, budget, secret := &appsv1.StatefulSet{}, &corev1.Service{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}, &corev1.Secret{}
	eventually(t, "objects", func() bool {
		return there(t, key(ns, "mcp-one"), set) && there(t, key(ns, "mcp-one"), service) && there(t, key(ns, "mcp-one"), policy) &&
			there(t, key(ns, "mcp-one"), budget) && there(t, key(ns, "mcp-one-sealing"), secret)
	})
	if got := len(secret.Data["sealing.key"]); got != 32 {
		t.Errorf("the sealing key has %d bytes", got)
	}
	eventually(t, "status", func() bool {
		status := statusOf(t, ns, "one")
		ready := meta.FindStatusCondition(status.Conditions, adapters.ConditionReady)
		return ready != nil && ready.Reason == adapters.ReasonPending && status.ObservedGeneration == 1 &&
			status.URL == "https://gateway.example/adapters/one/mcp"
	})
	rest := count.all.Load()
	time.Sleep(3 * time.Second)
	if now := count.all.Load(); now != rest {
		t.Errorf("%d requests at rest in 3 s", now-rest)
	}
	update(t, ns, "one", func(a *v1alpha1.MCPAdapter) { *a.Spec.ReplicaCount = 1 })
	eventually(t, "no budget", func() bool { return !there(t, key(ns, "mcp-one"), &policyv1.PodDisruptionBudget{}) })
}

func update(t *testing.T, namespace, name string, change func(*v1alpha1.MCPAdapter)) {
	t.Helper()
	var object v1alpha1.MCPAdapter
	if err := server.admin.Get(t.Context(), key(namespace, name), &object); err != nil {
		t.Fatal(err)
	}
	before := object.DeepCopy()
	change(&object)
	if err := server.admin.Patch(t.Context(), &object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// TestDriftIsMended: what others change or delete is set back, what they add is
// left, and what an adapter no longer says goes.
func TestDriftIsMended(t *testing.T) {
	ns := newNamespace(t)
	connect(t, ns)
	adapter := stdio(ns, "one", 2)
	adapter.Spec.NodeSelector = map[string]string{"pool": "mcp"}
	create(t, adapter)
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	before := set.DeepCopy()
	set.Labels["team"] = "tools"
	set.Spec.Template.Spec.Containers[0].Image = "evil"
	*set.Spec.Replicas = 7
	if err := server.admin.Patch(t.Context(), set, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the image to be set back", func() bool {
		return there(t, key(ns, "mcp-one"), set) && set.Spec.Template.Spec.Containers[0].Image == "registry.example/mcp-proxy:1" &&
			*set.Spec.Replicas == 2 && set.Labels["team"] == "tools"
	})
	for _, o := range []client.Object{&corev1.Service{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}} {
		if err := server.admin.Get(t.Context(), key(ns, "mcp-one"), o); err != nil {
			t.Fatal(err)
		}
		if err := server.admin.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		eventually(t, "what was deleted", func() bool { return there(t, key(ns, "mcp-one"), o) })
	}
	update(t, ns, "one", func(a *v1alpha1.MCPAdapter) { a.Spec.NodeSelector = nil })
	eventually(t, "no node selector", func() bool {
		return there(t, key(ns, "mcp-one"), set) && len(set.Spec.Template.Spec.NodeSelector) == 0
	})
}

// TestOthersObjectsAreLeftAlone: a name that is taken is said, and nothing else.
func TestOthersObjectsAreLeftAlone(t *testing.T) {
	ns := newNamespace(t)
	create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "mcp-one", Namespace: ns}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	connect(t, ns)
	create(t, stdio(ns, "one", 1))
	eventually(t, "condition", func() bool {
		ready := meta.FindStatusCondition(statusOf(t, ns, "one").Conditions, adapters.ConditionReady)
		return ready != nil && ready.Reason == "DeployFailed"
	})
	service := &corev1.Service{}
	if !there(t, key(ns, "mcp-one"), service) || service.Spec.Ports[0].Port != 80 {
		t.Error("the service was changed")
	}
}

// TestNewLifeTakesNothingOver: what is left of an adapter of the same name goes
// before the new one's objects come.
func TestNewLifeTakesNothingOver(t *testing.T) {
	ns := newNamespace(t)
	connect(t, ns)
	create(t, stdio(ns, "one", 1))
	old, secret := &appsv1.StatefulSet{}, &corev1.Secret{}
	eventually(t, "objects", func() bool { return there(t, key(ns, "mcp-one"), old) && there(t, key(ns, "mcp-one-sealing"), secret) })
	serve(t, pod(t, old, "0"), "10.81.0.7")
	// Nobody collects garbage here.
	if err := server.admin.Delete(t.Context(), stdio(ns, "one", 1)); err != nil {
		t.Fatal(err)
	}
	create(t, stdio(ns, "one", 1))
	eventually(t, "a new stateful set, and a new key", func() bool {
		set, now := &appsv1.StatefulSet{}, &corev1.Secret{}
		return there(t, key(ns, "mcp-one"), set) && set.UID != old.UID && there(t, key(ns, "mcp-one-sealing"), now) &&
			string(now.Data["sealing.key"]) != string(secret.Data["sealing.key"])
	})
	eventually(t, "the old pod to end soon", func() bool {
		p := &corev1.Pod{}
		err := server.admin.Get(t.Context(), key(ns, "mcp-one-0"), p)
		return err == nil && p.DeletionGracePeriodSeconds != nil && *p.DeletionGracePeriodSeconds == 2
	})
}

// TestSecretsReplacePods: another value is another template.
func TestSecretsReplacePods(t *testing.T) {
	ns := newNamespace(t)
	connect(t, ns)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: ns}, StringData: map[string]string{"token": "first value"}}
	adapter := stdio(ns, "one", 1)
	adapter.Spec.SecretEnvironmentVariables = map[string]v1alpha1.SecretReference{"TOKEN": {Name: "mine", Key: "token"}}
	create(t, secret, adapter)
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if json.Valid(text) && containsText(text, "first value") {
		t.Error("the value is in the stateful set")
	}
	hash := set.Spec.Template.Labels["mooring.dev/template-hash"]
	secret.StringData = map[string]string{"token": "second value"}
	if err := server.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another template", func() bool {
		return there(t, key(ns, "mcp-one"), set) && set.Spec.Template.Labels["mooring.dev/template-hash"] != hash
	})
}

// TestPodsMeetTheStandard: Kubernetes admits the pods where only restricted ones
// may be.
func TestPodsMeetTheStandard(t *testing.T) {
	ns := newNamespace(t)
	var namespace corev1.Namespace
	if err := server.admin.Get(t.Context(), client.ObjectKey{Name: ns}, &namespace); err != nil {
		t.Fatal(err)
	}
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	if err := server.admin.Update(t.Context(), &namespace); err != nil {
		t.Fatal(err)
	}
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: ns}})
	connect(t, ns)
	image := stdio(ns, "image", 1)
	image.Spec.ImageName, image.Spec.EnvironmentVariables = "server", nil
	create(t, stdio(ns, "one", 1), image)
	for _, name := range []string{"mcp-one", "mcp-image"} {
		set := &appsv1.StatefulSet{}
		eventually(t, name, func() bool { return there(t, key(ns, name), set) })
		pod(t, set, "0")
	}
}

// TestInvalidObjectSaysWhy: it passes the schema, and means no adapter.
func TestInvalidObjectSaysWhy(t *testing.T) {
	ns := newNamespace(t)
	connect(t, ns, func(cfg *kube.Config) {
		cfg.Check = func(s adapters.Spec) []adapters.Fault {
			if s.EnvironmentVariables["MCP_COMMAND"] == "npx" {
				return nil
			}
			return []adapters.Fault{{Pointer: "/environmentVariables/MCP_COMMAND", Message: "It is not allowed."}}
		}
	})
	adapter := stdio(ns, "one", 1)
	adapter.Spec.EnvironmentVariables["MCP_COMMAND"] = "rm"
	create(t, adapter)
	eventually(t, "condition", func() bool {
		ready := meta.FindStatusCondition(statusOf(t, ns, "one").Conditions, adapters.ConditionReady)
		return ready != nil && ready.Reason == "Invalid" && containsText([]byte(ready.Message), "not allowed")
	})
	if there(t, key(ns, "mcp-one"), &appsv1.StatefulSet{}) {
		t.Error("it was deployed")
	}
}
