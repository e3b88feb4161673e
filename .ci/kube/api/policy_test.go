package api

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// What the chart's golden files were made for.
const (
	guarded      = "gateway"
	controlPlane = "system:serviceaccount:gateway:mooring-xds"
)

// guard applies the chart's admission policies, and returns when they are in force
// in the namespace guarded. They end with the test.
func guard(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".ci/chart/testdata/out/default.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); err != nil {
			break
		}
		if object.GroupVersionKind().Group == "admissionregistration.k8s.io" {
			objects = append(objects, object)
		}
	}
	if len(objects) != 4 {
		t.Fatalf("the chart has %d objects for admission, want two policies and their bindings", len(objects))
	}
	for _, object := range append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: guarded}}) {
		if err := server.admin.Create(t.Context(), object); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, object := range objects {
			if err := server.admin.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		}
	})
	owned, named := minimal(guarded), minimal(guarded)
	owned.Annotations = map[string]string{kube.AnnotationCreatedBy: "me"}
	named.Spec.EnvironmentVariables["a-b"] = ""
	for _, refused := range []*v1alpha1.MCPAdapter{owned, named} {
		eventually(t, "the policies count", func() bool {
			return server.admin.Create(t.Context(), refused.DeepCopy(), client.DryRunAll) != nil
		})
	}
}

// minimal is a valid adapter.
func minimal(namespace string) *v1alpha1.MCPAdapter {
	return &v1alpha1.MCPAdapter{
		ObjectMeta: metav1.ObjectMeta{Name: "one", Namespace: namespace},
		Spec: v1alpha1.MCPAdapterSpec{
			ImageName: "mcp-proxy", ImageVersion: "1.0.0",
			EnvironmentVariables: map[string]v1alpha1.VariableValue{"MCP_COMMAND": "npx"},
		},
	}
}

// as is a client that is somebody else, who may do everything that RBAC knows.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	config := rest.CopyConfig(server.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	other, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// TestOwnersAreTheControlPlanes: RBAC lets eve write adapters, and no RBAC lets her
// say whose they are.
func TestOwnersAreTheControlPlanes(t *testing.T) {
	guard(t)
	eve, mooring := as(t, "eve"), as(t, controlPlane)
	forbidden := func(what string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got error %v, want a refusal", what, err)
		}
	}
	for _, name := range []string{kube.AnnotationCreatedBy, kube.AnnotationOrigin, kube.AnnotationLastUpdatedAt} {
		object := minimal(guarded)
		object.Annotations = map[string]string{name: "eve"}
		forbidden("creating with "+name, eve.Create(t.Context(), object))
	}
	object := minimal(guarded)
	object.Annotations = map[string]string{kube.AnnotationCreatedBy: "alice", "note": "1"}
	if err := mooring.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.admin.Delete(context.Background(), object); err != nil {
			t.Error(err)
		}
	})
	patched := func(patch string) error {
		return eve.Patch(t.Context(), object.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
	forbidden("another owner", patched(`{"metadata":{"annotations":{"mooring.dev/created-by":"eve"}}}`))
	forbidden("no owner", patched(`{"metadata":{"annotations":{"mooring.dev/created-by":null}}}`))
	forbidden("no annotations", patched(`{"metadata":{"annotations":null}}`))
	for _, patch := range []string{`{"metadata":{"annotations":{"note":"2"}}}`, `{"spec":{"description":"eve was here"}}`} {
		if err := patched(patch); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
	ownerless := minimal(guarded)
	ownerless.Name = "two"
	if err := eve.Create(t.Context(), ownerless, client.DryRunAll); err != nil {
		t.Errorf("creating without owner: %v", err)
	}
}
