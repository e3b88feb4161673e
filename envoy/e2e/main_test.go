package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// limited is a context that ends what hangs.
func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// call calls a tool in a session of its own.
func call(t *testing.T, m *harness.Mooring, adapter, tool string, arguments any) string {
	t.Helper()
	ctx := limited(t, 30*time.Second)
	answer, err := harness.Call(ctx, m.Connect(ctx, adapter), tool, arguments)
	if err != nil {
		t.Fatalf("calling %s of %s: %v", tool, adapter, err)
	}
	return answer
}
