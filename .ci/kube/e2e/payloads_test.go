package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// payloads posts every example as it stands. No pod here reaches the internet,
// and there is no such host as internal-mcp-server: each says so in its status.
func payloads(t *testing.T) {
	m := gateway(t)
	causes := map[string]string{
		"everything": "registry", "azure-remote": "registry", "ado-remote": "registry", "time": "mcp-server-time",
		"foundry-remote": "git", "internal-mcp": "internal-mcp-server",
	}
	for name := range causes {
		m.API(http.StatusCreated, http.MethodPost, "/adapters", m.Payload(name))
		t.Cleanup(func() { remove(t, m, name) })
	}
	for name, cause := range causes {
		text := awaitFailed(t, m, name, 2*time.Minute)
		if !strings.Contains(text, cause) {
			t.Errorf("the status of %s does not name %q: %s", name, cause, text)
		}
		answer := m.TryInitialize(name)
		if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, `"jsonrpc":"2.0"`) {
			t.Errorf("%s answers: status %d: %s", name, answer.Status, answer.Body)
		}
	}
	status := m.Status("ado-remote")
	for _, c := range status.Conditions {
		if c.Type == mooring.ConditionWorkloadIdentity && c.Status == mooring.StatusFalse {
			return
		}
	}
	t.Errorf("no condition says that there is no identity for workloads: %+v", status.Conditions)
}

// awaitFailed waits until the adapter's status says why it serves nobody, and
// returns that status.
func awaitFailed(t *testing.T, m *harness.Mooring, name string, timeout time.Duration) (text string) {
	t.Helper()
	defer func() {
		if text != "" && t.Failed() {
			t.Logf("the last status of %s: %s", name, text)
		}
	}()
	harness.Await(t, name+" says why it serves nobody", timeout, func() bool {
		status, err := m.With(t).TryStatus(name)
		if err != nil {
			return false
		}
		encoded, err := json.Marshal(status)
		text = string(encoded)
		return err == nil && status.ReadyReplicas == 0 && len(status.Instances) == 1 &&
			status.Instances[0].State == mooring.InstanceFailed && status.Instances[0].Message != ""
	})
	return text
}
