package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
)

// TestAuditOfMessages: what was asked of a server is kept, with who asked, and
// what was refused with the rule; and so is what came after the external
// processor was killed. No secret is in it.
func TestAuditOfMessages(t *testing.T) {
	i := newIssuer(t)
	m := i.startWithIdentity(t)
	spec := m.TestServer("a", 1)
	spec.RequiredRoles = []string{"reader"}
	i.admin(m).Deploy(spec)
	spec = m.TestServer("b", 1)
	spec.RequiredRoles, spec.Inspection = []string{"reader"}, adapters.InspectionSession
	i.admin(m).Deploy(spec)
	i.admin(m).API(http.StatusOK, http.MethodPatch, "/adapters/a", `{"toolRules":{"deny":["crash"]}}`)

	token := i.token("ann", []string{"reader"}, nil)
	ann := m.As(bearer(token)...)
	session := ann.Initialize("a")
	m.Await("the rules apply", applied, func() bool { return session.Post(callCrash).Status == http.StatusForbidden })
	if _, err := session.Call("echo", `{"text":"s3cret of the arguments"}`); err != nil {
		t.Fatal(err)
	}
	m.As(bearer("x.y.z")...).MustDo(http.StatusUnauthorized, http.MethodPost, "/adapters/a/mcp?access_token=s3cret", listTools,
		"Content-Type", "application/json", "Accept", "application/json, text/event-stream")
	i.admin(m).As(bearer(i.token("bob", nil, nil))...).TryInitialize("a")
	ann.Initialize("b").MustCall("who")
	m.Kill(m.PID("extproc"))
	m.Await("the session goes on", 10*time.Second, func() bool {
		answer, err := session.Try(http.MethodPost, listTools)
		return err == nil && answer.Status == http.StatusOK
	})

	path := filepath.Join(m.State, "audit-mcp.jsonl")
	who := i.url + "|ann"
	want := map[string]audit.Event{
		"a call":               {Principal: who, Adapter: "a", RPCMethod: "tools/call", Tool: "echo", Verdict: audit.Allowed, Status: 200},
		"one that nobody read": {Principal: who, Adapter: "b", Verdict: audit.Allowed, Status: 200},
		"a refused call":       {Principal: who, Adapter: "a", RPCMethod: "tools/call", Tool: "crash", Verdict: audit.Denied, Status: 403, Reason: "tool_denied"},
		"nobody":               {Adapter: "a", Verdict: audit.Denied, Status: 401, Reason: "malformed"},
		"the wrong user":       {Principal: i.url + "|bob", Adapter: "a", Verdict: audit.Denied, Status: 403, Reason: "forbidden"},
		"after the crash":      {Principal: who, Adapter: "a", RPCMethod: "tools/list", Verdict: audit.Allowed, Status: 200},
	}
	m.Await("all of it is in the audit", 20*time.Second, func() bool {
		for what, event := range want {
			if !kept(t, path, event) {
				t.Logf("not yet there: %s", what)
				return false
			}
		}
		return true
	})
	m.Stop()
	if result, err := audit.Verify(path); err != nil || !result.Complete {
		t.Errorf("%+v, error %v", result, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", token, session.ID} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the audit has %q", secret)
		}
	}
}

// kept reports whether a line of the file says what e says.
func kept(t *testing.T, path string, e audit.Event) bool {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var got audit.Event
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.RequestID == "" || got.Path == "" || got.Source == "" || got.Time.IsZero() {
			t.Fatalf("a line without request id, source or time: %s", lines.Text())
		}
		if got.Principal == e.Principal && got.Adapter == e.Adapter && got.RPCMethod == e.RPCMethod && got.Tool == e.Tool &&
			got.Verdict == e.Verdict && got.Status == e.Status && got.Reason == e.Reason {
			return true
		}
	}
	return false
}
