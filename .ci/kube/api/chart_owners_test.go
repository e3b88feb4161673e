package api

import (
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// adapter is one that somebody could make with kubectl.
func (i *installation) adapter(name string) *v1alpha1.MCPAdapter {
	o := &v1alpha1.MCPAdapter{ObjectMeta: metav1.ObjectMeta{Namespace: i.namespace, Name: name}}
	o.Spec.ImageName, o.Spec.ImageVersion = adapters.BridgeImage, "1.0.0"
	o.Spec.EnvironmentVariables = map[string]v1alpha1.VariableValue{"MCP_COMMAND": "uvx", "MCP_ARGS": "mcp-server-time"}
	return o
}

// TestOwnersCannotBeForged by whoever may write adapters with kubectl.
func TestOwnersCannotBeForged(t *testing.T) {
	i := install(t)
	controlPlane := i.as(t, "system:serviceaccount:"+i.namespace+":mooring-xds")
	forger := i.as(t, "alice")
	const owner = "mooring.dev/created-by"
	i.awaitPolicy(forger, owner)
	o := i.adapter("owned")
	o.Annotations = map[string]string{owner: "bob"}
	if err := controlPlane.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(map[string]string){
		"changed": func(a map[string]string) { a[owner] = "alice" },
		"removed": func(a map[string]string) { delete(a, owner) },
		"added":   func(a map[string]string) { a["mooring.dev/origin"] = "x" },
	} {
		edited := o.DeepCopy()
		edit(edited.Annotations)
		if err := forger.Update(t.Context(), edited); !apierrors.IsForbidden(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	o.Spec.Description, o.Annotations["example.com/other"] = "edited", "x"
	if err := forger.Update(t.Context(), o); err != nil {
		t.Errorf("an honest edit: %v", err)
	}
	if err := forger.Create(t.Context(), i.adapter("nobodys")); err != nil {
		t.Errorf("an adapter without an owner: %v", err)
	}
	// Elsewhere it is not this release's to say.
	other := i.adapter("elsewhere")
	other.Namespace = newNamespace(t)
	other.Annotations = map[string]string{owner: "somebody"}
	if err := forger.Create(t.Context(), other); err != nil {
		t.Errorf("in another namespace: %v", err)
	}
	var policies admissionv1.ValidatingAdmissionPolicyList
	if err := server.admin.List(t.Context(), &policies); err != nil {
		t.Fatal(err)
	}
	for _, p := range policies.Items {
		if p.Status.TypeChecking != nil && len(p.Status.TypeChecking.ExpressionWarnings) > 0 {
			t.Errorf("%s: %+v", p.Name, p.Status.TypeChecking.ExpressionWarnings)
		}
	}
}

// awaitPolicy waits until the API server follows the release's policy of admission.
func (i *installation) awaitPolicy(forger client.Client, annotation string) {
	i.t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for {
		o := i.adapter("forged")
		o.Annotations = map[string]string{annotation: "somebody"}
		err := forger.Create(i.t.Context(), o, client.DryRunAll)
		if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "written by Mooring alone") {
			return
		}
		select {
		case <-deadline:
			i.t.Fatalf("the policy is not followed: %v", err)
		case <-ticker.C:
		}
	}
}

// as is a client of that name, who may do what the administrator may.
func (i *installation) as(t *testing.T, user string) client.Client {
	t.Helper()
	config := rest.CopyConfig(server.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	c, err := client.New(config, client.Options{Scheme: server.admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
