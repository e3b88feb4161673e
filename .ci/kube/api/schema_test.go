package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// rounds is how often the property is checked, of about a hundred specs each.
const rounds = 20

// TestServerSaysWhatValidateSays: the CustomResourceDefinition and the admission
// policy together take what adapters.Spec.Validate takes, and refuse the rest.
func TestServerSaysWhatValidateSays(t *testing.T) {
	namespace := guarded(t)
	taken, refused := 0, 0
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			if compare(t, namespace, adapterstest.Specs().Draw(t, "spec")) {
				taken++
			} else {
				refused++
			}
		})
	}
	t.Logf("%d specs were taken and %d refused", taken, refused)
	if taken < rounds*10 || refused < rounds*10 {
		t.Errorf("%d specs were taken and %d refused: too few to tell", taken, refused)
	}
}

// guarded is a namespace in which the chart's admission policies are in force.
func guarded(t *testing.T) string {
	t.Helper()
	i := install(t)
	refused := i.adapter("refused")
	refused.Spec.EnvironmentVariables["a-b"] = ""
	eventually(t, "the policy of names", func() bool {
		return server.admin.Create(t.Context(), refused.DeepCopy(), client.DryRunAll) != nil
	})
	return i.namespace
}

func TestServerSaysWhatValidateSaysOfCounts(t *testing.T) {
	namespace := guarded(t)
	for _, count := range []int{63, 64, 65, 256, 257, 512, 513} {
		specs := make([]adapters.Spec, 5)
		for i := range specs {
			specs[i] = adapterstest.Example("one").Spec
			specs[i].ToolRules = &adapters.ToolRules{}
		}
		specs[3].Labels = map[string]string{}
		specs[4].SecretEnvironmentVariables = map[string]adapters.Secret{}
		for i := range count {
			name := fmt.Sprintf("n%d", i)
			specs[0].EnvironmentVariables[name] = ""
			specs[1].RequiredRoles = append(specs[1].RequiredRoles, name)
			specs[2].ToolRules.Deny = append(specs[2].ToolRules.Deny, name)
			specs[3].Labels[name] = ""
			specs[4].SecretEnvironmentVariables[name] = ""
		}
		for _, spec := range specs {
			compare(t, namespace, spec)
		}
	}
}

// failer is what testing and rapid have in common.
type failer interface {
	Context() context.Context
	Fatal(...any)
	Errorf(string, ...any)
}

// compare asks the API server for its verdict on spec, and reports what Validate
// says. Of secrets, which are references there, only the names are judged.
func compare(t failer, namespace string, spec adapters.Spec) (valid bool) {
	for name := range spec.SecretEnvironmentVariables {
		spec.SecretEnvironmentVariables[name] = "hunter22"
	}
	faults := spec.Validate(adapters.Limits{MaxReplicas: adapters.MaxReplicaCount})
	object := objectOf(t, namespace, spec)
	err := server.admin.Create(t.Context(), object, client.DryRunAll)
	if err != nil && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatal(err)
	}
	if (err == nil) != (len(faults) == 0) {
		text, _ := json.Marshal(spec)
		t.Errorf("Validate says %v, and Kubernetes says %.2000v, of\n%.2000s", faults, err, text)
	}
	return len(faults) == 0
}

// objectOf is the custom resource as a user would write it: the adapter's JSON
// with the name elsewhere, and references to secrets.
func objectOf(t failer, namespace string, spec adapters.Spec) *unstructured.Unstructured {
	text, err := json.Marshal(spec.Normalize())
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "name")
	if secrets, has := members["secretEnvironmentVariables"].(map[string]any); has {
		for name := range secrets {
			secrets[name] = map[string]any{"name": "some-secret", "key": strings.Repeat("k", 253)}
		}
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": members}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.Kind))
	object.SetNamespace(namespace)
	object.SetName(spec.Name)
	return object
}

// TestWhatDiffersOnPurpose from the API, as the reference says.
func TestWhatDiffersOnPurpose(t *testing.T) {
	namespace := newNamespace(t)
	with := func(member string, value any) *unstructured.Unstructured {
		object := objectOf(t, namespace, adapterstest.Example("one").Spec)
		object.Object["spec"].(map[string]any)[member] = value
		return object
	}
	strict := client.FieldValidation("Strict")
	for name, tt := range map[string]struct {
		object  *unstructured.Unstructured
		options []client.CreateOption
		taken   bool
	}{
		"null where there is a default":     {with("replicaCount", nil), nil, true},
		"null elsewhere":                    {with("description", nil), nil, true},
		"an unknown member, strictly":       {with("id", "x"), []client.CreateOption{strict}, false},
		"an unknown member":                 {with("id", "x"), nil, true},
		"more replicas than operators want": {with("replicaCount", 1000), nil, true},
		"a reserved variable":               {with("environmentVariables", map[string]any{"MCP_COMMAND": "npx", "MOORING_X": "1"}), nil, true},
		"a secret's value":                  {with("secretEnvironmentVariables", map[string]any{"TOKEN": "hunter22"}), nil, false},
		"a folder of the node":              {with("volumes", []any{map[string]any{"name": "v", "hostPath": map[string]any{"path": "/"}}}), []client.CreateOption{strict}, false},
		"a volume of no kind":               {with("volumes", []any{map[string]any{"name": "v"}}), nil, false},
		"a volume":                          {with("volumes", []any{map[string]any{"name": "v", "emptyDir": map[string]any{}}}), nil, true},
	} {
		err := server.admin.Create(t.Context(), tt.object, append(tt.options, client.DryRunAll)...)
		if (err == nil) != tt.taken {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
