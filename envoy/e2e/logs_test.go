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
	refused := func() string { return s.With("unknown").Post(listTools).Header.Get("X-Request-Id") }
	refused()
	changeLevel(t, m, "debug")
	id := refused()
	ofRequests(t, m, s)
	line := awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "request" && line["trace_id"] == trace })
	for key, want := range map[string]any{
		"part": "envoy", "adapter": "a", "method": "tools/call", "tool": "echo", "era": "legacy", "verdict": "allow", "status": 200.,
		"request_id": answer.Header.Get("X-Request-Id"), "route": "a/session",
	} {
		if line[key] != want {
			t.Errorf("access log: %s is %v, not %v", key, line[key], want)
		}
	}
	if address, is := line["upstream"].(string); !is || address == "" {
		t.Errorf("access log: the request went to %v", line["upstream"])
	}
	nowhere, err := m.Do(http.MethodGet, "/nowhere?sesame", "")
	if err != nil {
		t.Fatal(err)
	}
	line = awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "request" && line["path"] == "/nowhere" })
	if line["request_id"] != nowhere.Header.Get("X-Request-Id") || line["status"] != float64(nowhere.Status) || line["adapter"] != nil {
		t.Errorf("access log: %v, of a request that no route is for, answered %d", line, nowhere.Status)
	}
	line = awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "refused" })
	for key, want := range map[string]any{"part": "extproc", "level": "DEBUG", "adapter": "a", "method": "tools/list", "request_id": id} {
		if line[key] != want {
			t.Errorf("extproc: %s is %v, not %v", key, line[key], want)
		}
	}
	for _, part := range []string{"envoy", "extproc", "xds", "bridge"} {
		text := logOf(t, m, part)
		for _, secret := range []string{"sesame", s.ID} {
			if strings.Contains(text, secret) {
				t.Errorf("the log of %s has %.20q", part, secret)
			}
		}
	}
}

// ofRequests: what the bridge says while it serves a request names the request,
// its session and its principal as Envoy's line does, and so does what the control
// plane says of one to the API.
func ofRequests(t *testing.T, m *harness.Mooring, s harness.Raw) {
	t.Helper()
	const trace = "2bf7651916cd43dd8448eb211c80319c"
	if _, err := s.Call("crash", `{}`); err == nil {
		t.Fatal("a call that ends its server answers")
	}
	for msg, answer := range map[string]harness.Answer{
		"session goes on with a new server process": s.Post(listTools, "traceparent", traceparent(trace)),
		"refused": s.Send(http.MethodGet, "", "Last-Event-Id", "none", "traceparent", traceparent(trace)),
	} {
		id := answer.Header.Get("X-Request-Id")
		said := awaitLine(t, m, "bridge", func(line map[string]any) bool { return line["msg"] == msg && line["request_id"] == id })
		envoy := awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "request" && line["request_id"] == id })
		for _, key := range []string{"adapter", "session", "principal", "trace_id"} {
			if said[key] == nil || said[key] != envoy[key] {
				t.Errorf("%s: %s is %v to the bridge, and %v to Envoy", msg, key, said[key], envoy[key])
			}
		}
	}
	answer := m.MustDo(http.StatusOK, http.MethodGet, "/adapters/a", "", "traceparent", traceparent(trace))
	said := awaitLine(t, m, "xds", func(line map[string]any) bool { return line["request_id"] == answer.Header.Get("X-Request-Id") })
	for key, want := range map[string]any{"adapter": "a", "http_method": "GET", "status": 200., "trace_id": trace} {
		if said[key] != want {
			t.Errorf("xds: %s is %v, not %v", key, said[key], want)
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

// logOf is the log of a part, and of all bridges for bridge.
func logOf(t *testing.T, m *harness.Mooring, part string) string {
	t.Helper()
	paths := []string{filepath.Join(m.State, "logs", part+".log")}
	if part == "bridge" {
		var err error
		if paths, err = filepath.Glob(filepath.Join(m.State, "adapters", "*", "*", "bridge.log")); err != nil {
			t.Fatal(err)
		}
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
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
