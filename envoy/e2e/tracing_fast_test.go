package e2e

import (
	"encoding/hex"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestTracingWithoutInspection: a call that Envoy lets pass by itself is one
// trace too, and its spans and its line in the access log say whose it is and
// which session's. What nobody read, the tool, only the bridge's spans tell.
func TestTracingWithoutInspection(t *testing.T) {
	i, c := newIssuer(t), startCollector(t)
	m := i.startWithIdentity(t, traced(c.URL), harness.Env("MOORING_ACCESS_LOG=-"))
	spec := m.TestServer("b", 1)
	spec.RequiredRoles, spec.Inspection = []string{"reader"}, adapters.InspectionSession
	i.admin(m).Deploy(spec)
	session := m.As(bearer(i.token("ann", []string{"reader"}, nil))...).Initialize("b")
	m.Await("Envoy lets calls pass by itself", 20*time.Second, func() bool {
		session.MustCall("trace")
		return slices.ContainsFunc(c.all(), func(s span) bool { return s.GetName() == "POST b/fast" })
	})
	const trace = "3af7651916cd43dd8448eb211c80319c"
	answer := session.Post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"trace","arguments":{"text":"arg-sesame"}}}`,
		"traceparent", traceparent(trace))
	if answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	want := []string{
		"client > envoy server POST b/fast",
		"envoy server POST b/fast > bridge server tools/call trace",
		"bridge server tools/call trace > bridge client tools/call trace",
	}
	all := c.awaitTrace(m, trace, len(want))
	compareEdges(t, want, all)
	of := map[string]map[string]string{}
	for _, s := range all {
		of[nameOf(s)] = s.attributes
	}
	envoy, bridge := of["envoy server POST b/fast"], of["bridge server tools/call trace"]
	for name, want := range map[string]string{"mooring.adapter": "b", "mooring.era": "legacy", "http.route": "b/fast", "http.url": "/mcp"} {
		if envoy[name] != want {
			t.Errorf("Envoy's span: %s is %q, not %q", name, envoy[name], want)
		}
	}
	for _, name := range []string{"mcp.session.id", "mooring.principal.hash"} {
		if len(envoy[name]) != 16 || envoy[name] != bridge[name] {
			t.Errorf("%s is %q to Envoy, and %q to the bridge", name, envoy[name], bridge[name])
		}
	}
	for _, name := range []string{"gen_ai.tool.name", "mcp.method.name", "mooring.verdict"} {
		if value, is := envoy[name]; is {
			t.Errorf("Envoy's span tells what nobody read: %s is %q", name, value)
		}
	}
	line := awaitLine(t, m, "extproc", func(line map[string]any) bool { return line["msg"] == "request" && line["trace_id"] == trace })
	for key, want := range map[string]any{
		"adapter": "b", "era": "legacy", "route": "b/fast", "session": envoy["mcp.session.id"], "principal": envoy["mooring.principal.hash"],
		"request_id": answer.Header.Get("X-Request-Id"),
	} {
		if line[key] != want {
			t.Errorf("access log: %s is %v, not %v", key, line[key], want)
		}
	}
	checkSecrets(t, c, session.ID)
	stolen(t, i, m, c, session)
}

// stolen: what is refused on that way is not said to be of whose the session is.
func stolen(t *testing.T, i *issuer, m *harness.Mooring, c *collector, session harness.Raw) {
	t.Helper()
	const trace = "4af7651916cd43dd8448eb211c80319c"
	bob := m.As(bearer(i.token("bob", []string{"reader"}, nil))...).Initialize("b").With(session.ID)
	if answer := bob.Post(listTools, "traceparent", traceparent(trace)); answer.Status != http.StatusNotFound {
		t.Fatal(answer)
	}
	var owner, refused map[string]string
	m.Await("the span of what was refused", 15*time.Second, func() bool {
		for _, s := range c.all() {
			switch {
			case s.part != "envoy":
			case hex.EncodeToString(s.TraceId) == trace && s.attributes["mooring.verdict"] != "":
				refused = s.attributes
			case s.GetName() == "POST b/fast" && owner == nil:
				owner = s.attributes
			}
		}
		return refused != nil
	})
	if refused["mooring.verdict"] == "allow" || refused["mooring.principal.hash"] == owner["mooring.principal.hash"] {
		t.Errorf("refused: %v, of whose the session is: %v", refused, owner)
	}
}
