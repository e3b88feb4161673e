package api

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// apply is kubectl apply --server-side of an adapter with that spec.
func apply(t *testing.T, namespace string, spec map[string]any, options ...client.ApplyOption) error {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.Kind))
	object.SetNamespace(namespace)
	object.SetName("one")
	return server.admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), append(options, client.FieldOwner("kubectl"))...)
}

// TestTwoDoors changes one adapter through the API and through kubectl by turns.
func TestTwoDoors(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	manifest := map[string]any{
		"imageName": "mcp-proxy", "imageVersion": "1.0.0", "environmentVariables": map[string]any{"MCP_COMMAND": "npx"},
		"requiredRoles": []any{"tools"}, "nodeSelector": map[string]any{"disk": "fast"},
	}
	if err := apply(t, namespace, manifest); err != nil {
		t.Fatal(err)
	}
	applied := must(store.Get(t.Context(), "one"))(t)
	if applied.CreatedBy != "" || applied.ReplicaCount != 1 || !applied.LastUpdatedAt.Equal(applied.CreatedAt) ||
		applied.Access().MayWrite(adapters.Principal{Subject: "eve"}) || !applied.Access().MayRead(adapters.Principal{Subject: "eve", Roles: []string{"tools"}}) {
		t.Errorf("applied: %+v", applied)
	}

	next := applied
	next.Description, next.EnvironmentVariables = "by the API", map[string]string{"MCP_COMMAND": "uvx", "MORE": "1"}
	next.LastUpdatedAt = time.Now().UTC().Truncate(time.Microsecond)
	updated := must(store.Update(t.Context(), next, applied.Revision))(t)
	if !updated.LastUpdatedAt.Equal(next.LastUpdatedAt) {
		t.Errorf("changed at %v, says %v", next.LastUpdatedAt, updated.LastUpdatedAt)
	}
	if got := fetch(t, namespace, "one", &v1alpha1.MCPAdapter{}).Spec; got.NodeSelector["disk"] != "fast" {
		t.Errorf("what only Kubernetes knows is gone: %v", got.PodSettings)
	}

	if err := apply(t, namespace, manifest); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "mooring-api") {
		t.Errorf("applying over the API's change: got error %v, want a conflict with it", err)
	}
	if err := apply(t, namespace, manifest, client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	forced := must(store.Get(t.Context(), "one"))(t)
	if forced.EnvironmentVariables["MCP_COMMAND"] != "npx" || forced.EnvironmentVariables["MORE"] != "1" || forced.Description != "by the API" {
		t.Errorf("what the manifest says wins, and the rest stays: %v %q", forced.EnvironmentVariables, forced.Description)
	}
	if _, err := store.Update(t.Context(), next, updated.Revision); !errors.Is(err, adapters.ErrStale) {
		t.Errorf("a change of what the API last saw: got error %v", err)
	}
	if err := store.Delete(t.Context(), "one", forced.Revision); err != nil {
		t.Error(err)
	}
}

// TestScaleIsAChange: kubectl scale, and a HorizontalPodAutoscaler.
func TestScaleIsAChange(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	a := must(store.Create(t.Context(), adapterstest.Example("one")))(t)
	object := fetch(t, namespace, "one", &v1alpha1.MCPAdapter{})
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":5}}`))
	if err := server.admin.SubResource("scale").Patch(t.Context(), object, patch); err != nil {
		t.Fatal(err)
	}
	if got := must(store.Get(t.Context(), "one"))(t); got.ReplicaCount != 5 || got.Revision == a.Revision {
		t.Errorf("got %d replicas at revision %s of %s", got.ReplicaCount, got.Revision, a.Revision)
	}
}

// TestStatusIsNoChange: it leaves the revision, which is the ETag.
func TestStatusIsNoChange(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	a := must(store.Create(t.Context(), adapterstest.Example("one")))(t)
	eventually(t, "a status", func() bool { return statusOf(t, namespace, "one").ObservedGeneration == 1 })
	if got := must(store.Get(t.Context(), "one"))(t); got.Revision != a.Revision || !got.LastUpdatedAt.Equal(a.LastUpdatedAt) {
		t.Errorf("revision %s of %s, changed at %v of %v", got.Revision, a.Revision, got.LastUpdatedAt, a.LastUpdatedAt)
	}
}

// TestObjectThatTheAPIWouldRefuse: the CustomResourceDefinition takes it, and what
// judges commands does not. It is kept, and not run.
func TestObjectThatTheAPIWouldRefuse(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace, func(cfg *kube.Config) {
		cfg.Check = func(spec adapters.Spec) []adapters.Fault {
			if spec.EnvironmentVariables["MCP_COMMAND"] == "sh" {
				return []adapters.Fault{{Pointer: "/environmentVariables/MCP_COMMAND", Message: "It is not allowed."}}
			}
			return nil
		}
	}).Store()
	changes := store.Changes(t.Context())
	object := stdio(namespace, "one", 1)
	object.Spec.EnvironmentVariables["MCP_COMMAND"] = "sh"
	if err := server.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	locked := awaitUnreadable(t, store, changes)
	if !errors.Is(locked, adapters.ErrInvalid) || strings.Contains(locked.Reason, "MCP_COMMAND") {
		t.Errorf("reason %q, error %v", locked.Reason, locked)
	}
	_, err := store.Get(t.Context(), "one")
	if !errors.Is(err, adapters.ErrUnreadable) {
		t.Errorf("Get: %v", err)
	}
	if _, err := store.Update(t.Context(), adapterstest.Example("one"), ""); !errors.Is(err, adapters.ErrUnreadable) {
		t.Errorf("Update: %v", err)
	}
	if _, err := store.Create(t.Context(), adapterstest.Example("one")); !errors.Is(err, adapters.ErrExists) {
		t.Errorf("Create: %v", err)
	}
	many := stdio(namespace, "two", adapters.DefaultMaxReplicas+1)
	if err := server.admin.Create(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "two"); !errors.Is(err, adapters.ErrUnreadable) {
		t.Errorf("more replicas than the operator allows: %v", err)
	}
	if err := store.Delete(t.Context(), "two", ""); err != nil {
		t.Error(err)
	}
	update(t, namespace, "one", func(object *v1alpha1.MCPAdapter) { object.Spec.EnvironmentVariables["MCP_COMMAND"] = "npx" })
	awaitListed(t, store, changes, func(a adapters.Adapter) bool { return a.Name == "one" })
}
