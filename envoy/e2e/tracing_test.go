package e2e

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// traced is where a gateway sends its spans to.
func traced(url string) harness.Option {
	return harness.Env("OTEL_EXPORTER_OTLP_ENDPOINT="+url, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"OTEL_EXPORTER_OTLP_HEADERS=x-collector-key=sesame", "OTEL_BSP_SCHEDULE_DELAY=50")
}

// TestTracing: what a client asks is one trace, from its own span to the call of
// the tool, in both eras; and nothing secret is in it.
func TestTracing(t *testing.T) {
	c := startCollector(t)
	m := harness.Start(t, traced(c.URL))
	m.Deploy(m.TestServer("a", 1))
	s := m.Initialize("a")
	// Names of spans have the tool once the gateway knows that the server has it.
	m.Await("the tool's name is known", 15*time.Second, func() bool {
		s.MustCall("trace")
		return slices.ContainsFunc(c.all(), func(s span) bool { return s.GetName() == "judge tools/call trace" })
	})
	const header, message = "0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"
	mustAnswer := func(a harness.Answer) {
		t.Helper()
		if a.Status != http.StatusOK || !strings.Contains(a.Body, "00-") {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
	}
	mustAnswer(s.Post(`{"jsonrpc":"2.0","id":"id-sesame","method":"tools/call","params":{"name":"trace","arguments":{"text":"arg-sesame"}}}`,
		"traceparent", traceparent(header), "tracestate", "vendor=1"))
	a := modernCall(m, `"traceparent":"`+traceparent(message)+`",`)
	mustAnswer(a)
	if !strings.Contains(a.Body, message) {
		t.Errorf("the tool is in another trace than its caller: %s", a.Body)
	}
	tree := func(trace string, edges int) []span { return c.awaitTrace(m, trace, edges) }
	t.Run("legacy", func(t *testing.T) {
		want := []string{
			"client > envoy server POST tools/call trace",
			"envoy server POST tools/call trace > extproc internal judge tools/call trace",
			"envoy server POST tools/call trace > bridge server tools/call trace",
			"bridge server tools/call trace > bridge client tools/call trace",
		}
		compareEdges(t, want, tree(header, len(want)))
	})
	t.Run("modern by the message", func(t *testing.T) {
		want := []string{
			"client > bridge server tools/call trace",
			"client > extproc internal judge tools/call trace",
			"bridge server tools/call trace > bridge client tools/call trace",
		}
		all := tree(message, len(want))
		compareEdges(t, want, all)
		checkLinked(t, m, c, all)
	})
	t.Run("attributes", func(t *testing.T) { checkAttributes(t, tree(header, 4)) })
	t.Run("exemplars", func(t *testing.T) { checkExemplars(t, m, s) })
	t.Run("session", func(t *testing.T) { checkSession(t, m, c) })
	t.Run("remote", func(t *testing.T) { checkRemote(t, m, c) })
	t.Run("secrets", func(t *testing.T) {
		checkSecrets(t, c, s.ID)
		if environment := s.MustCall("environment"); strings.Contains(environment, "OTEL_EXPORTER_OTLP_HEADERS") {
			t.Errorf("the server has the collector's credentials: %s", environment)
		}
	})
}

// traceparent is a client's span in the trace.
func traceparent(trace string) string { return "00-" + trace + "-" + clientSpan + "-01" }

const clientSpan = "b7ad6b7169203331"

// modernCall calls the tool "trace" in the modern era.
func modernCall(m *harness.Mooring, meta string) harness.Answer {
	body := `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"trace","arguments":{"text":"arg-sesame"},"_meta":{` + meta +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	return m.MustDo(http.StatusOK, http.MethodPost, "/adapters/a/mcp?key=query-sesame", body, "Content-Type", "application/json",
		"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", harness.Modern, "Mcp-Method", "tools/call", "Mcp-Name", "trace")
}

// compareEdges compares who is whose parent.
func compareEdges(t *testing.T, want []string, all []span) {
	t.Helper()
	names := map[string]string{clientSpan: "client"}
	for _, s := range all {
		names[hex.EncodeToString(s.SpanId)] = nameOf(s)
	}
	var got []string
	for _, s := range all {
		got = append(got, names[hex.EncodeToString(s.ParentSpanId)]+" > "+nameOf(s))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tree of spans (-want +got):\n%s", diff)
	}
}

func nameOf(s span) string {
	kind := strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"))
	return s.part + " " + kind + " " + s.GetName()
}

// checkExemplars: who scrapes durations in a form that has examples finds the
// trace that a call was in, be it named by a header or by the message, and none
// that nobody records.
func checkExemplars(t *testing.T, m *harness.Mooring, s harness.Raw) {
	t.Helper()
	const header, message, unrecorded = "5af7651916cd43dd8448eb211c80319c", "6af7651916cd43dd8448eb211c80319c", "7af7651916cd43dd8448eb211c80319c"
	shown := func(part, series, trace string) bool {
		text, err := m.OpenMetrics(part)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, series) && strings.Contains(line, `# {trace_id="`+trace+`"}`) {
				return true
			}
		}
		return false
	}
	await := func(trace string) {
		t.Helper()
		for part, series := range map[string]string{
			"extproc":      `mooring_request_duration_seconds_bucket{adapter="a",method="tools/call",`,
			"adapters/a/0": `mooring_bridge_tool_call_duration_seconds_bucket{adapter="a",tool="trace",`,
		} {
			m.Await("an exemplar of "+part, 15*time.Second, func() bool { return shown(part, series, trace) })
		}
	}
	const call = `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"trace","arguments":{"text":"x"}}}`
	s.Post(call, "traceparent", strings.TrimSuffix(traceparent(unrecorded), "1")+"0")
	s.Post(call, "traceparent", traceparent(header))
	await(header)
	modernCall(m, `"traceparent":"`+traceparent(message)+`",`)
	await(message)
	if shown("extproc", "mooring_", unrecorded) || shown("adapters/a/0", "mooring_", unrecorded) {
		t.Error("an exemplar leads to a trace that nobody has")
	}
}

// checkSession: the traces of a session, its birth included, have its hash.
func checkSession(t *testing.T, m *harness.Mooring, c *collector) {
	t.Helper()
	const trace = "8af7651916cd43dd8448eb211c80319c"
	other := m.Initialize("a", "traceparent", traceparent(trace))
	other.MustCall("who")
	var birth, call string
	m.Await("spans of the session", 15*time.Second, func() bool {
		for _, s := range c.all() {
			if s.part == "envoy" && s.GetName() == "POST initialize" && hex.EncodeToString(s.TraceId) == trace {
				birth = s.attributes["mcp.session.id"]
			}
			if s.GetName() == "tools/call who" && s.part == "bridge" && s.attributes["mcp.session.id"] != "" {
				call = s.attributes["mcp.session.id"]
			}
		}
		return birth != "" && birth == call
	})
	for _, s := range c.awaitTrace(m, trace, 4) {
		if s.part == "bridge" && s.GetKind() == tracev1.Span_SPAN_KIND_SERVER && s.attributes["mcp.session.id"] != birth {
			t.Errorf("the bridge's span of the birth: %v, and Envoy's: %s", s.attributes, birth)
		}
	}
}

// checkLinked: the trace of the message and that of its request name each other.
func checkLinked(t *testing.T, m *harness.Mooring, c *collector, all []span) {
	t.Helper()
	var request string
	for _, s := range all {
		if s.part == "bridge" && s.GetKind() == tracev1.Span_SPAN_KIND_CLIENT {
			continue
		}
		if len(s.GetLinks()) != 1 {
			t.Fatalf("%s has %d links", nameOf(s), len(s.GetLinks()))
		}
		request = hex.EncodeToString(s.GetLinks()[0].GetTraceId())
	}
	m.Await("Envoy's span of the request", 15*time.Second, func() bool {
		return slices.ContainsFunc(c.all(), func(s span) bool {
			return hex.EncodeToString(s.TraceId) == request && s.attributes["mooring.message.trace_id"] == hex.EncodeToString(all[0].TraceId)
		})
	})
}

func checkAttributes(t *testing.T, all []span) {
	t.Helper()
	common := map[string]string{"mcp.method.name": "tools/call", "gen_ai.tool.name": "trace", "mooring.adapter": "a"}
	for of, more := range map[string]map[string]string{
		"envoy server POST tools/call trace":      {"mooring.era": "legacy", "mooring.verdict": "allow", "url.path": "/mcp", "http.route": "a/session"},
		"extproc internal judge tools/call trace": {"mooring.era": "legacy", "mooring.verdict": "allow", "gen_ai.operation.name": "execute_tool"},
		"bridge server tools/call trace":          {"mooring.era": "legacy", "network.transport": "unix", "mcp.protocol.version": harness.Legacy},
		"bridge client tools/call trace":          {"network.transport": "pipe", "gen_ai.operation.name": "execute_tool"},
	} {
		at := slices.IndexFunc(all, func(s span) bool { return nameOf(s) == of })
		if at < 0 {
			t.Errorf("no span is %s", of)
			continue
		}
		for _, attributes := range []map[string]string{common, more} {
			for name, want := range attributes {
				if got := all[at].attributes[name]; got != want {
					t.Errorf("%s: %s is %q, not %q", of, name, got, want)
				}
			}
		}
		if state := all[at].GetTraceState(); state != "vendor=1" {
			t.Errorf("%s: tracestate %q", of, state)
		}
	}
	var sessions []string
	for _, s := range all {
		if id := s.attributes["mcp.session.id"]; id != "" {
			sessions = append(sessions, id)
		}
	}
	if len(sessions) != 3 || len(slices.Compact(sessions)) != 1 || len(sessions[0]) != 16 {
		t.Errorf("hashes of the session in Envoy, extproc and bridge: %q", sessions)
	}
}

// checkSecrets: no span has what its readers must not know, and the collector's
// credentials came to it.
func checkSecrets(t *testing.T, c *collector, session string) {
	t.Helper()
	for _, s := range c.all() {
		text := fmt.Sprint(s.Span)
		for _, secret := range []string{"sesame", session, session[:40]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells %q: %s", nameOf(s), secret, text)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.headers) == 0 || slices.ContainsFunc(c.headers, func(h string) bool { return h != "sesame" }) {
		t.Errorf("credentials for the collector: %q", c.headers)
	}
}
