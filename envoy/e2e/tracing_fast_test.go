package e2e

import (
	"cmp"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestTracingWithInspectionOfSessions: of calls that Envoy may let pass by itself,
// those that are recorded are judged, so that their trace has all spans, whoever
// chose them; the others pass, and nothing is recorded of them.
func TestTracingWithInspectionOfSessions(t *testing.T) {
	i, c := newIssuer(t), startCollector(t)
	m := i.startWithIdentity(t, traced(c.URL), harness.Env("MOORING_ACCESS_LOG=-", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.2"))
	spec := m.TestServer("b", 1)
	spec.RequiredRoles, spec.Inspection = []string{"reader"}, adapters.InspectionSession
	i.admin(m).Deploy(spec)
	session := m.As(bearer(i.token("ann", []string{"reader"}, nil))...).Initialize("b")
	const trace, unrecorded = "3af7651916cd43dd8448eb211c80319c", "5bf7651916cd43dd8448eb211c80319c"
	of := func(trace string) func(map[string]any) bool {
		return func(line map[string]any) bool { return line["msg"] == "request" && line["trace_id"] == trace }
	}
	m.Await("Envoy lets calls pass by itself", 20*time.Second, func() bool {
		session.Post(listTools, "traceparent", strings.TrimSuffix(traceparent(unrecorded), "1")+"0")
		return strings.Contains(logOf(t, m, "extproc"), `"route":"b/fast"`)
	})
	passed := awaitLine(t, m, "extproc", func(line map[string]any) bool { return of(unrecorded)(line) && line["route"] == "b/fast" })
	if passed["verdict"] != nil || passed["method"] != nil {
		t.Errorf("it was judged: %v", passed)
	}
	answer := session.Post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"trace","arguments":{"text":"arg-sesame"}}}`,
		"traceparent", traceparent(trace))
	if answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	all := c.awaitTrace(m, trace, 4)
	checkWhole(t, all)
	envoy := all[slices.IndexFunc(all, func(s span) bool { return s.part == "envoy" })].attributes
	line := awaitLine(t, m, "extproc", of(trace))
	for key, want := range map[string]any{
		"adapter": "b", "era": "legacy", "route": "b/session", "session": envoy["mcp.session.id"], "principal": envoy["mooring.principal.hash"],
		"request_id": answer.Header.Get("X-Request-Id"),
	} {
		if line[key] != want {
			t.Errorf("access log: %s is %v, not %v", key, line[key], want)
		}
	}
	t.Run("one in five", func(t *testing.T) {
		var root span
		m.Await("a trace of the gateway's own choice", 20*time.Second, func() bool {
			session.MustCall("trace")
			all := c.all()
			i := slices.IndexFunc(all, func(s span) bool {
				return s.part == "envoy" && len(s.ParentSpanId) == 0 && s.attributes["http.route"] == "b/session" && s.attributes["mcp.method.name"] == "tools/call"
			})
			if i >= 0 {
				root = all[i]
			}
			return i >= 0
		})
		checkWhole(t, c.awaitTrace(m, hex.EncodeToString(root.TraceId), 4))
	})
	if slices.ContainsFunc(c.all(), func(s span) bool { return hex.EncodeToString(s.TraceId) == unrecorded }) {
		t.Error("what the client does not record was recorded")
	}
	checkSecrets(t, c, session.ID)
	stolen(t, i, m, c, session)
}

// checkWhole: a trace has one span of each part but two of the bridge, and all tell
// the session and who asks.
func checkWhole(t *testing.T, all []span) {
	t.Helper()
	parts, session := map[string]int{}, ""
	for _, s := range all {
		parts[s.part]++
		if s.GetKind() == tracev1.Span_SPAN_KIND_CLIENT {
			continue
		}
		session = cmp.Or(session, s.attributes["mcp.session.id"])
		if len(session) != 16 || s.attributes["mcp.session.id"] != session || len(s.attributes["mooring.principal.hash"]) != 16 || s.attributes["mooring.adapter"] != "b" {
			t.Errorf("%s tells %v", nameOf(s), s.attributes)
		}
	}
	if want := map[string]int{"envoy": 1, "extproc": 1, "bridge": 2}; !maps.Equal(parts, want) {
		t.Errorf("spans of %v, not %v", parts, want)
	}
}

// stolen: what is refused on that way is not said to be of whose the session is.
func stolen(t *testing.T, i *issuer, m *harness.Mooring, c *collector, session harness.Raw) {
	t.Helper()
	const trace = "4af7651916cd43dd8448eb211c80319c"
	bob := m.As(bearer(i.token("bob", []string{"reader"}, nil))...).Initialize("b").With(session.ID)
	if answer := bob.Post(listTools, "traceparent", traceparent(trace)); answer.Status != http.StatusNotFound {
		t.Fatal(answer)
	}
	var owner, refused map[string]string // what spans tell of them
	m.Await("the span of what was refused", 15*time.Second, func() bool {
		for _, s := range c.all() {
			switch {
			case s.part != "envoy":
			case hex.EncodeToString(s.TraceId) == trace && s.attributes["mooring.verdict"] != "":
				refused = s.attributes
			case s.attributes["http.route"] == "b/session" && s.attributes["mooring.verdict"] == "allow" && owner == nil:
				owner = s.attributes
			}
		}
		return refused != nil
	})
	if refused["mooring.verdict"] == "allow" || refused["mooring.principal.hash"] == owner["mooring.principal.hash"] {
		t.Errorf("refused: %v, of whose the session is: %v", refused, owner)
	}
}
