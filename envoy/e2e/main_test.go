package e2e

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

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

// serverStart is how long the test server takes to answer its first message.
func serverStart(t *testing.T) time.Duration {
	t.Helper()
	var best time.Duration
	for range 3 {
		begin := time.Now()
		client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
		session, err := client.Connect(limited(t, 20*time.Second), &mcp.CommandTransport{
			Command: exec.Command(harness.Program(t, "testserver")),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return best
}
