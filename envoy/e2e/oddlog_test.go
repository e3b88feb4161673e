package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// logged is what the audit tells of a request, but for what differs each time.
type logged struct {
	Principal, Method, Path, Adapter, RPCMethod, Tool, Verdict, Reason string
	Status                                                             int
}

// oddRequest has something in it that the log could break at.
type oddRequest struct {
	send func()
	want logged
}

// TestTheLogTakesWhatClientsSend: none of it is lost, or taken for something
// else, and nothing is lost that came beside it.
func TestTheLogTakesWhatClientsSend(t *testing.T) {
	i := newIssuer(t)
	m := i.startWithIdentity(t)
	for name, inspection := range map[string]adapters.Inspection{"a": adapters.InspectionAlways, "b": adapters.InspectionSession} {
		spec := m.TestServer(name, 1)
		spec.RequiredRoles, spec.Inspection = []string{"reader"}, inspection
		i.admin(m).Deploy(spec)
	}
	slow := begun(t, m, "POST /adapters/a/mcp HTTP/1.1\r\nHost: a\r\n") // and no more
	all := oddMessages(i, m)
	maps.Copy(all, oddHeads(t, m))
	path := filepath.Join(m.State, "audit-mcp.jsonl")
	m.Await("the sessions are in the audit", 20*time.Second, func() bool { return len(events(t, path)) == 6 })
	for _, odd := range all {
		odd.send()
	}
	slow()
	all["headers that pause"] = oddRequest{want: logged{Method: "METHOD_UNSPECIFIED", Verdict: audit.Denied, Status: 408, Reason: "request_header_timeout"}}
	var got []logged
	m.Await("all of it is in the audit", 20*time.Second, func() bool {
		got = events(t, path)[6:]
		return len(got) >= len(all)
	})
	count := map[logged]int{}
	for _, e := range got {
		count[e]++
	}
	for name, odd := range all {
		if count[odd.want]--; count[odd.want] < 0 {
			t.Errorf("%s: there is no %+v", name, odd.want)
		}
	}
	for e, n := range count {
		if n > 0 {
			t.Errorf("%d times: %+v", n, e)
		}
	}
}

// oddMessages are of users, odd ones among them, to both kinds of adapter.
func oddMessages(i *issuer, m *harness.Mooring) map[string]oddRequest {
	ann := m.As(bearer(i.token("ann", []string{"reader"}, nil))...)
	dash := m.As(bearer(i.token("-", []string{"reader"}, nil))...).Initialize("b")
	a, b := ann.Initialize("a"), ann.Initialize("b")
	post := func(r harness.Raw, headers ...string) func() {
		return func() { r.Post(listTools, headers...) }
	}
	call := func(method, tool string) func() {
		return func() {
			a.Post(fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":%s,"params":{"name":%s,"arguments":{}}}`, method, tool))
		}
	}
	toA := func(method, tool string) logged {
		return logged{Principal: i.url + "|ann", Method: "POST", Path: "/adapters/a/mcp", Adapter: "a", RPCMethod: method, Tool: tool, Verdict: audit.Allowed, Status: 200}
	}
	passed := func(user string) logged {
		return logged{Principal: i.url + "|" + user, Method: "POST", Path: "/adapters/b/mcp", Adapter: "b", Verdict: audit.Allowed, Status: 200}
	}
	usual := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}
	forged := append(bearer(i.token("ann\x1fbob", []string{"reader"}, nil)), usual...)
	return map[string]oddRequest{
		"a trace that is no UTF-8":        {post(a, "Traceparent", "00-\xff\xfe\t-\xc3"), toA("tools/list", "")},
		"the same, and nobody reads it":   {post(b, "Traceparent", "00-\xff\xfe\t-\xc3"), passed("ann")},
		"a browser that is no UTF-8":      {post(b, "User-Agent", "\xff\t-"), passed("ann")},
		"a subject that is a dash":        {post(dash), passed("-")},
		"a subject with a separator":      {func() { m.Do(http.MethodPost, "/adapters/b/mcp", listTools, forged...) }, logged{Method: "POST", Path: "/adapters/b/mcp", Adapter: "b", Verdict: audit.Denied, Status: 401, Reason: "claims"}},
		"a tool with separators":          {call(`"tools/call"`, `"x\u001f\u001e\u001dallow\u001f"`), toA("tools/call", "x\x1f\x1e\x1dallow\x1f")},
		"a tool that is a dash":           {call(`"tools/call"`, `"-"`), toA("tools/call", "-")},
		"a tool without a name":           {call(`"tools/call"`, `""`), toA("tools/call", "")},
		"a tool with a long name":         {call(`"tools/call"`, `"`+strings.Repeat("é", 100_000)+`"`), toA("tools/call", strings.Repeat("é", 64))},
		"a method with a separator":       {call(`"tools/call\u001fx"`, `""`), toA("tools/call\x1fx", "")},
		"a method that is a dash":         {call(`"-"`, `""`), toA("-", "")},
		"a tool that ends within a line":  {call(`"tools/call"`, `"x\r\n\u0000\u2028"`), toA("tools/call", "x\r\n\x00\u2028")},
		"a message of the usual kind":     {call(`"tools/call"`, `"who"`), toA("tools/call", "who")},
		"another that nobody reads":       {post(b), passed("ann")},
		"a message of nobody in the fast": {func() { m.Do(http.MethodPost, "/adapters/b/mcp", listTools, usual...) }, logged{Method: "POST", Path: "/adapters/b/mcp", Adapter: "b", Verdict: audit.Denied, Status: 401, Reason: "missing"}},
	}
}

// oddHeads are what Envoy refuses, mostly before there is a route.
func oddHeads(t *testing.T, m *harness.Mooring) map[string]oddRequest {
	t.Helper()
	refused := func(method, path string, status int, reason string) logged {
		return logged{Method: method, Path: path, Verdict: audit.Denied, Status: status, Reason: reason}
	}
	sent := func(text string) func() { return func() { begun(t, m, text)() } }
	const unknown = "METHOD_UNSPECIFIED"
	onA := refused("POST", "/adapters/a/mcp", 400, "missing_host_header")
	onA.Adapter = "a"
	return map[string]oddRequest{
		"no host, and an id that is no UTF-8": {sent("POST /adapters/a/mcp HTTP/1.1\r\nX-Request-Id: \xff\xfe\r\n\r\n"), onA},
		"no host, and an id that is a dash":   {sent("POST /adapters/a/mcp HTTP/1.1\r\nX-Request-Id: -\r\n\r\n"), onA},
		"no request at all":                   {sent("\xff\xfe\r\n\r\n"), refused(unknown, "", 400, "http1.codec_error")},
		"a path that is no UTF-8":             {sent("POST /adapters/a/\xff HTTP/1.1\r\nHost: a\r\n\r\n"), refused(unknown, "", 400, "http1.codec_error")},
		"a path with a separator":             {sent("POST /adapters/a/\x1f HTTP/1.1\r\nHost: a\r\n\r\n"), refused(unknown, "", 400, "http1.invalid_characters")},
		"a header with a separator":           {sent("POST /adapters/a/mcp HTTP/1.1\r\nHost: a\r\nTraceparent: a\x1fb\r\n\r\n"), refused(unknown, "", 400, "http1.invalid_characters")},
		"a header that is too long":           {sent("POST /adapters/a/mcp HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n"), refused(unknown, "", 431, "http1.headers_too_large")},
		"no path":                             {sent("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), refused("CONNECT", "", 403, "upgrade_failed")},
	}
}

// begun sends text on a connection of its own. What it returns waits for the
// answer.
func begun(t *testing.T, m *harness.Mooring, text string) (end func()) {
	t.Helper()
	conn, err := net.Dial("tcp", m.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			t.Errorf("the answer to %.60q is %q, error %v", text, line, err)
		}
	}
}

// events are those of the audit.
func events(t *testing.T, path string) []logged {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []logged
	for line := range strings.Lines(string(text)) {
		var e logged
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}
