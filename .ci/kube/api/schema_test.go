package api

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

func TestServerTakesAnAdapter(t *testing.T) {
	adapter := &v1alpha1.MCPAdapter{
		ObjectMeta: metav1.ObjectMeta{Name: "one", Namespace: newNamespace(t)},
		Spec: v1alpha1.MCPAdapterSpec{
			ImageName: "mcp-proxy", ImageVersion: "1.0.0",
			EnvironmentVariables: map[string]v1alpha1.VariableValue{"MCP_COMMAND": "npx"},
		},
	}
	if err := server.admin.Create(t.Context(), adapter); err != nil {
		t.Fatal(err)
	}
	if adapter.Spec.ReplicaCount == nil || *adapter.Spec.ReplicaCount != 1 {
		t.Errorf("replicaCount is %v, want the default of 1", adapter.Spec.ReplicaCount)
	}
}
