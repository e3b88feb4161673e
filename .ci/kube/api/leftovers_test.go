package api

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// values are those in the adapter's own Secret, in order.
func values(t *testing.T, namespace, name string) string {
	t.Helper()
	data := fetch(t, namespace, "mcp-"+name+"-env", &corev1.Secret{}).Data
	var list []string
	for _, value := range data {
		list = append(list, string(value))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// observe says that the controller of StatefulSets has seen the set as it is.
func observe(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	set.Status.ObservedGeneration = set.Generation
	if err := server.admin.Status().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
}

// stays fails the test unless the values stay for longer than it takes to look
// for those that can go.
func stays(t *testing.T, ns, name, want, why string) {
	t.Helper()
	update(t, ns, name, func(a *v1alpha1.MCPAdapter) { a.Spec.Description += "." }) // look now
	time.Sleep(time.Second)
	if got := values(t, ns, name); got != want {
		t.Fatalf("%s: %q, want %q", why, got, want)
	}
}

// TestRemovedSecretsGo: a value that users removed or replaced is in the cluster
// as long as a pod has it, or may yet be made with it, and not longer.
func TestRemovedSecretsGo(t *testing.T) {
	ns := newNamespace(t)
	store := connect(t, ns).Store()
	a := secretive("one", map[string]adapters.Secret{"KEY": "old-key", "TOKEN": "old-token"})
	a.ReplicaCount = 2
	a = must(store.Create(t.Context(), a))(t)
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	observe(t, set)
	old := []*corev1.Pod{pod(t, set, "0"), pod(t, set, "1")}
	for i, p := range old {
		serve(t, p, "10.81.0."+string(rune('3'+i))+"1")
	}
	before := set.Generation

	a.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": "new-token"}
	a = must(store.Update(t.Context(), a, ""))(t)
	eventually(t, "another template", func() bool { return there(t, key(ns, "mcp-one"), set) && set.Generation > before })
	stays(t, ns, "one", "new-token old-key old-token", "the template was not seen")
	observe(t, set)
	stays(t, ns, "one", "new-token old-key old-token", "pods have them")
	replace(t, set, old[1])
	stays(t, ns, "one", "new-token old-key old-token", "a pod has them")
	replace(t, set, old[0])
	eventually(t, "only the new value", func() bool { return values(t, ns, "one") == "new-token" })

	// All of them, as by `null`.
	a = must(store.Get(t.Context(), "one"))(t)
	a.SecretEnvironmentVariables, before = nil, fetch(t, ns, "mcp-one", set).Generation
	must(store.Update(t.Context(), a, ""))(t)
	eventually(t, "another template", func() bool { return there(t, key(ns, "mcp-one"), set) && set.Generation > before })
	observe(t, set)
	for _, ordinal := range []string{"0", "1"} {
		replace(t, set, fetch(t, ns, "mcp-one-"+ordinal, &corev1.Pod{}))
	}
	eventually(t, "no value", func() bool { return values(t, ns, "one") == "" })
}

// replace ends the pod, and makes its successor.
func replace(t *testing.T, set *appsv1.StatefulSet, p *corev1.Pod) {
	t.Helper()
	if err := server.admin.Delete(t.Context(), p, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	pod(t, set, p.Name[len(p.Name)-1:])
}

// TestSecretsToComeStay: what was written for a change that is on its way is no
// leftover, until that change can come no more.
func TestSecretsToComeStay(t *testing.T) {
	ns := newNamespace(t)
	must(connect(t, ns).Store().Create(t.Context(), secretive("one", map[string]adapters.Secret{"TOKEN": "hunter22"})))(t)
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	observe(t, set)
	pod(t, set, "0")
	eventually(t, "it rests", func() bool { return statusOf(t, ns, "one").Replicas == 1 })

	// As another control plane does before it changes the object.
	secret := fetch(t, ns, "mcp-one-env", &corev1.Secret{})
	data := maps.Clone(secret.Data)
	data["TOKEN.next"] = []byte("hunter33")
	secret.Data, secret.Annotations = data, map[string]string{"mooring.dev/written-for": fetch(t, ns, "one", &v1alpha1.MCPAdapter{}).ResourceVersion}
	if err := server.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if got := values(t, ns, "one"); got != "hunter22 hunter33" {
		t.Fatalf("values %q", got)
	}
	update(t, ns, "one", func(a *v1alpha1.MCPAdapter) { a.Spec.Description = "somebody else came first" })
	eventually(t, "what was for the other change goes", func() bool { return values(t, ns, "one") == "hunter22" })
}
