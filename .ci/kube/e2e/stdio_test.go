package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// stdio: a public server on stdio, from an image on the nodes, serves clients of
// both eras.
func stdio(t *testing.T) {
	m := gateway(t)
	deploy(t, m, mooring.Spec{
		Name: "stdio", ImageName: mooring.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_COMMAND": "mcp-server-everything"},
	})
	for _, version := range []string{harness.Legacy, harness.Modern} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		session, err := m.TryConnectAs(ctx, "stdio", version, nil)
		if err != nil {
			t.Fatalf("a client of %s: %v", version, err)
		}
		if got := session.InitializeResult().ProtocolVersion; got != version {
			t.Errorf("a client of %s speaks %s", version, got)
		}
		answer, err := harness.Call(ctx, session, "echo", map[string]any{"message": "moored"})
		if err != nil || !strings.Contains(answer, "moored") {
			t.Errorf("a client of %s: answer %q, error %v", version, answer, err)
		}
		if err := session.Close(); err != nil {
			t.Errorf("a client of %s ends: %v", version, err)
		}
	}
}
