package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestLogs: all parts write JSON with the same keys, from a level on that changes
// while they run, and without secrets; and a collector that takes nothing costs
// requests nothing.
func TestLogs(t *testing.T) {
	m := harness.Start(t, traced("http://"+blackHole(t)), harness.Env("MOORING_ACCESS_LOG=-", "OTEL_BSP_MAX_QUEUE_SIZE=16"))
	m.Deploy(m.TestServer("a", 1))
	s := m.Initialize("a")
	const trace = "2af7651916cd43dd8448eb211c80319c"
	begin := time.Now()
	for range 200 {
		s.MustCall("who")
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("200 calls took %v", took)
	}
	awaitDropped(t, m)
	answer := s.Post(`{"jsonrpc":"2.0","id":"id-sesame","method":"tools/call","params":{"name":"echo","arguments":{"text":"arg-sesame"}}}`,
		"traceparent", traceparent(trace))
	if answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	line := awaitLine(t, m, "envoy", func(line map[string]any) bool { return line["msg"] == "request" && line["trace_id"] == trace })
	for key, want := range map[string]any{
		"part": "envoy", "adapter": "a", "method": "tools/call", "tool": "echo", "era": "legacy", "verdict": "allow", "status": 200.,
		"request_id": answer.Header.Get("X-Request-Id"), "route": "a/session",
	} {
		if line[key] != want {
			t.Errorf("access log: %s is %v, not %v", key, line[key], want)
		}
	}
	refused := func() string { return s.With("unknown").Post(listTools).Header.Get("X-Request-Id") }
	refused()
	changeLevel(t, m, "debug")
	id := refused()
	line = awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "refused" })
	for key, want := range map[string]any{"part": "extproc", "level": "DEBUG", "adapter": "a", "method": "tools/list", "request_id": id} {
		if line[key] != want {
			t.Errorf("extproc: %s is %v, not %v", key, line[key], want)
		}
	}
	for _, part := range []string{"envoy", "extproc", "xds"} {
		text := logOf(t, m, part)
		for _, secret := range []string{"sesame", s.ID} {
			if strings.Contains(text, secret) {
				t.Errorf("the log of %s has %.20q", part, secret)
			}
		}
	}
}

// blackHole takes connections and reads nothing.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// awaitDropped: spans that nobody takes are dropped, and counted.
func awaitDropped(t *testing.T, m *harness.Mooring) {
	t.Helper()
	m.Await("spans are dropped", 15*time.Second, func() bool {
		text, err := m.Metrics("extproc")
		return err == nil && strings.Contains(text, `mooring_trace_spans_total{result="dropped"}`) &&
			!strings.Contains(text, `mooring_trace_spans_total{result="dropped"} 0`)
	})
}

// changeLevel does what an operator would type.
func changeLevel(t *testing.T, m *harness.Mooring, level string) {
	t.Helper()
	out, err := exec.CommandContext(limited(t, 20*time.Second), harness.Program(t, "mooring"), "log-level", level, m.State).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "xds") || !strings.Contains(string(out), "bridge ") {
		t.Fatalf("changing the level: %v: %s", err, out)
	}
}

func logOf(t *testing.T, m *harness.Mooring, part string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.State, "logs", part+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// awaitLine waits for a line of a part's log.
func awaitLine(t *testing.T, m *harness.Mooring, part string, wanted func(map[string]any) bool) map[string]any {
	t.Helper()
	var found map[string]any
	m.Await("a line of "+part, 20*time.Second, func() bool {
		for text := range strings.Lines(logOf(t, m, part)) {
			var line map[string]any
			if json.Unmarshal([]byte(text), &line) == nil && wanted(line) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}
