package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const (
	// installTimeout is for the first start of a public server: npx and uvx
	// fetch it, from wherever the machine gets its packages.
	installTimeout = 5 * time.Minute
	// explainTimeout is how soon a status says why a server cannot start.
	explainTimeout = time.Minute
)

// TestPayloads posts every example as it stands, all at once. Those that need
// no account serve; the others say why they do not, and disturb nobody. On the
// same gateway public servers of either era serve clients of either.
func TestPayloads(t *testing.T) {
	t.Parallel() // it waits for the network
	// Caches of its own: those of the machine may be broken by an installation
	// that somebody ended half way.
	cache := t.TempDir()
	caches := []string{"npm_config_cache=" + filepath.Join(cache, "npm"), "UV_CACHE_DIR=" + filepath.Join(cache, "uv")}
	m := harness.Start(t, harness.Env(caches...))
	servers := cells(t)
	for _, name := range []string{"everything", "time", "azure-remote", "ado-remote", "foundry-remote", "internal-mcp"} {
		m.API(http.StatusCreated, http.MethodPost, "/adapters", m.Payload(name))
	}
	posted := time.Now()

	t.Run("internal-mcp", func(t *testing.T) { explains(t, m, "internal-mcp", posted, "internal-mcp-server") })
	t.Run("foundry-remote", func(t *testing.T) { explains(t, m, "foundry-remote", posted, "git") })
	// What it misses first depends on the machine: a library to build with, or
	// the network.
	t.Run("ado-remote", func(t *testing.T) { explains(t, m, "ado-remote", posted, "exited with code") })
	// Later than those that are timed: installing takes the whole machine.
	for _, c := range servers {
		m.Create(c.spec())
	}
	t.Run("everything", func(t *testing.T) {
		m.AwaitReady("everything", 1, installTimeout)
		lists(t, m, "everything", "echo")
		if got := call(t, m, "everything", "echo", map[string]any{"message": "moored"}); !strings.Contains(got, "moored") {
			t.Errorf("echo answers %q", got)
		}
	})
	t.Run("time", func(t *testing.T) {
		m.AwaitReady("time", 1, installTimeout)
		lists(t, m, "time", "get_current_time")
		if got := call(t, m, "time", "get_current_time", map[string]any{"timezone": "UTC"}); !strings.Contains(got, "UTC") {
			t.Errorf("get_current_time answers %q", got)
		}
	})
	t.Run("azure-remote", func(t *testing.T) {
		m.AwaitReady("azure-remote", 1, installTimeout)
		lists(t, m, "azure-remote", "")
	})
	t.Run("four cells", func(t *testing.T) { fourCells(t, m, servers) })
	t.Run("old transport", func(t *testing.T) { oldTransport(t, m, caches) })
	t.Run("workload identity has no effect here", func(t *testing.T) {
		for _, c := range m.Status("ado-remote").Conditions {
			if c.Type == adapters.ConditionWorkloadIdentity && c.Status == adapters.StatusFalse {
				return
			}
		}
		t.Error("no condition says so")
	})
}

// lists fails the test unless the adapter lists tools, that one among them.
func lists(t *testing.T, m *harness.Mooring, adapter, tool string) {
	t.Helper()
	ctx := limited(t, time.Minute)
	result, err := m.Connect(ctx, adapter).ListTools(ctx, nil)
	if err != nil {
		t.Fatalf("listing tools of %s: %v", adapter, err)
	}
	for _, listed := range result.Tools {
		if tool == "" || listed.Name == tool {
			return
		}
	}
	t.Errorf("%s does not list %q among its %d tools", adapter, tool, len(result.Tools))
}

// explains fails the test unless, in time, the adapter's status and logs name
// the cause, and its endpoint answers 503 in the shape of JSON-RPC.
func explains(t *testing.T, m *harness.Mooring, adapter string, posted time.Time, cause string) {
	t.Helper()
	var text []byte
	defer func() { t.Logf("status of %s: %s", adapter, text) }()
	harness.Await(t, "the status of "+adapter+" says why", time.Until(posted.Add(explainTimeout)), func() bool {
		status := m.Status(adapter)
		var err error
		text, err = json.Marshal(status)
		return err == nil && status.ReadyReplicas == 0 && len(status.Instances) == 1 &&
			status.Instances[0].State == adapters.InstanceFailed && strings.Contains(string(text), cause)
	})
	answer := m.TryInitialize(adapter)
	if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, `"jsonrpc":"2.0"`) {
		t.Errorf("its endpoint: status %d: %s", answer.Status, answer.Body)
	}
	logs := m.MustDo(http.StatusOK, http.MethodGet, "/adapters/"+adapter+"/logs?instance=0", "")
	if strings.TrimSpace(logs.Body) == "" {
		t.Error("it has no logs")
	}
}
