package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const modern = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// modernCall calls tool in the modern era.
func modernCall(tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":%q,%s}}`, tool, modern)
}

func TestRefusals(t *testing.T) {
	g := newGateway(t)
	ann := []string{"X-Dev-UserId", "ann", "X-Dev-Roles", ""}
	session := g.initialize(t, ann...)
	with := func(more ...string) []string { return append(slices.Clone(ann), more...) }
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		status, code int
		id           string
	}{
		"PUT":                     {"PUT", listTools, ann, 405, -32600, "null"},
		"OPTIONS":                 {"OPTIONS", "", ann, 405, -32600, "null"},
		"no content type":         {"POST", listTools, with("Content-Type", ""), 415, -32600, "null"},
		"text":                    {"POST", listTools, with("Content-Type", "text/plain"), 415, -32600, "null"},
		"UTF-16":                  {"POST", listTools, with("Content-Type", "application/json; charset=utf-16"), 415, -32600, "null"},
		"gzip":                    {"POST", listTools, with("Content-Encoding", "gzip"), 415, -32600, "null"},
		"other origin":            {"POST", listTools, with("Origin", "http://evil.example.com"), 403, -32600, "null"},
		"origin null":             {"POST", listTools, with("Origin", "null"), 403, -32600, "null"},
		"user twice":              {"POST", listTools, []string{"X-Dev-UserId", "ann", "X-Dev-UserId", "bob"}, 401, -32600, "null"},
		"not allowed":             {"POST", listTools, []string{"X-Dev-UserId", "bob", "X-Dev-Roles", "writer"}, 403, -32600, "null"},
		"own session id":          {"POST", listTools, with("Mcp-Session-Id", "mine"), 404, -32600, "7"},
		"upstream's session id":   {"POST", listTools, with("Mcp-Session-Id", "up-u0-1"), 404, -32600, "7"},
		"edited session":          {"POST", listTools, with("Mcp-Session-Id", session[:len(session)-5]+"AAAAA"), 404, -32600, "7"},
		"session of another":      {"POST", listTools, []string{"X-Dev-UserId", "bob", "X-Dev-Roles", "reader", "Mcp-Session-Id", session}, 404, -32600, "7"},
		"session twice":           {"POST", listTools, with("Mcp-Session-Id", session, "Mcp-Session-Id", session), 400, -32600, "7"},
		"GET of no session":       {"GET", "", with("Mcp-Session-Id", "x.y.z"), 404, -32600, "null"},
		"DELETE of no session":    {"DELETE", "", with("Mcp-Session-Id", "x.y.z"), 404, -32600, "null"},
		"DELETE with a body":      {"DELETE", "{}", with("Mcp-Session-Id", session), 400, -32600, "null"},
		"modern GET":              {"GET", "", with("MCP-Protocol-Version", "2026-07-28"), 405, -32600, "null"},
		"modern DELETE":           {"DELETE", "", with("MCP-Protocol-Version", "2026-07-28", "Mcp-Session-Id", session), 405, -32600, "null"},
		"no version header":       {"POST", modernCall("a"), with("Mcp-Method", "tools/call", "Mcp-Name", "a"), 400, -32020, "3"},
		"other version header":    {"POST", modernCall("a"), with("MCP-Protocol-Version", "2025-11-25"), 400, -32020, "3"},
		"version twice":           {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "MCP-Protocol-Version", "2025-11-25"), 400, -32020, "null"},
		"no method header":        {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Name", "a"), 400, -32020, "3"},
		"other method header":     {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "a"), 400, -32020, "3"},
		"no name header":          {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call"), 400, -32020, "3"},
		"other name header":       {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "A"), 400, -32020, "3"},
		"broken name header":      {"POST", modernCall("a"), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?!!?="), 400, -32020, "3"},
		"modern, with duplicates": {"POST", strings.Replace(modernCall("a"), `"name"`, `"name":"b","name"`, 1), with("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "a"), 400, -32600, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.do(t, c.method, c.body, c.headers...)
			code, id := a.rpcError(t)
			if a.status != c.status || code != c.code || id != c.id {
				t.Errorf("status %d, code %d, id %s: %s", a.status, code, id, a.body)
			}
			if got := a.header.Get("Allow"); (got != "") != (c.status == 405) {
				t.Errorf("Allow: %q", got)
			}
			if got := a.header.Get("WWW-Authenticate"); (got != "") != (c.status == 401) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
		})
	}
	for i, u := range g.upstreams {
		if n := u.sessions.Load(); i == 0 && n+g.upstreams[1].sessions.Load() != 1 {
			t.Errorf("a refused request reached an upstream")
		}
	}
	g.accessLog(t, func(j contract.Judged) bool {
		return j.Verdict == "session_principal" && j.Method == "tools/list"
	})
	_, metrics, err := unixGet(g.ops, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`mooring_auth_failures_total{reason="repeated"} 1`,
		`mooring_denials_total{adapter="a",reason="session_principal"} 1`,
		`mooring_sessions_total{adapter="a",event="created"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in metrics", want)
		}
	}
}

// TestSessionsOfOtherAdapters: one adapter's session opens no other, and all
// that is no session looks alike.
func TestSessionsOfOtherAdapters(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t)
	foreign := g.doAt(t, "/adapters/b/mcp", http.MethodPost, listTools, "Mcp-Session-Id", session)
	unknown := g.doAt(t, "/adapters/b/mcp", http.MethodPost, listTools, "Mcp-Session-Id", "x.y.z")
	if foreign.status != http.StatusNotFound || foreign.body != unknown.body || foreign.status != unknown.status {
		t.Errorf("%d %s, unknown: %d %s", foreign.status, foreign.body, unknown.status, unknown.body)
	}
}

func TestWhatAnUpstreamSees(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t, "X-Dev-UserId", "ann")
	s := g.do(t, http.MethodPost, listTools,
		"X-Dev-UserId", "ann", "X-Dev-Name", "Ann", "X-Dev-Roles", "", "X-Dev-Other", "x",
		"Mcp-Session-Id", session,
		"Authorization", "Bearer secret", "Proxy-Authorization", "Basic x", "Cookie", "a=b", "X-Api-Key", "secret",
		"Origin", "https://mcp.example.com", "Sec-Fetch-Site", "cross-site", "Referer", "https://mcp.example.com/x",
		"Forwarded", "for=1.2.3.4", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "evil", "X-Real-Ip", "1.2.3.4",
		"X-Mooring-Endpoint", "L2V0Yy9wYXNzd2Q=", "X-Mooring-Principal", "somebody", "X-Mooring-Other", "x",
		"Mcp-Protocol-Version", "2025-11-25", "Last-Event-ID", "4", "Accept", "application/json, text/event-stream", "X-Custom", "kept",
	).seen(t)
	for name := range s.Header {
		lower := strings.ToLower(name)
		for _, prefix := range []string{"x-dev-", "authorization", "proxy-", "cookie", "origin", "sec-fetch", "referer", "forwarded", "x-forwarded-", "x-real", "x-api-key", "x-mooring-endpoint", "x-mooring-other"} {
			if strings.HasPrefix(lower, prefix) && lower != "x-forwarded-proto" {
				t.Errorf("the upstream saw %s: %s", name, s.Header[name])
			}
		}
	}
	if got := s.Header["X-Mooring-Principal"]; len(got) != 1 || len(got[0]) != 16 {
		t.Errorf("principal %q", got)
	}
	for _, name := range []string{"Mcp-Protocol-Version", "Last-Event-Id", "Accept", "X-Custom", "Content-Type"} {
		if s.Header.Get(name) == "" {
			t.Errorf("the upstream did not see %s", name)
		}
	}
	if s.Path != "/mcp" {
		t.Errorf("path %q", s.Path)
	}
}

func TestOriginsOfTheGatewayMayUseIt(t *testing.T) {
	g := newGateway(t)
	for _, origin := range []string{"https://mcp.example.com", "http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		g.do(t, http.MethodPost, listTools, "Origin", origin).seen(t)
	}
}

func TestModernEra(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t)
	headers := []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call"}
	for name, c := range map[string]struct{ body, header string }{
		"plain":         {modernCall("a"), "a"},
		"spaces around": {modernCall("a"), " a "},
		"base64":        {modernCall("ü😀"), "=?base64?w7zwn5iA?="},
		"plain base64":  {modernCall("a"), "=?base64?YQ==?="},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.do(t, http.MethodPost, c.body, append(slices.Clone(headers), "Mcp-Name", c.header, "Mcp-Session-Id", session)...)
			if s := a.seen(t); s.Header.Get("Mcp-Session-Id") != "" {
				t.Error("the upstream saw a session")
			}
			if a.header.Get("Mcp-Session-Id") != "" {
				t.Error("the client saw a session")
			}
		})
	}
	// initialize under modern headers is no birth, whatever the upstream says.
	body := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{` + modern + `}}`
	a := g.do(t, http.MethodPost, body, "MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "initialize")
	if a.status != http.StatusOK || a.header.Get("Mcp-Session-Id") != "" {
		t.Errorf("%d, session %q", a.status, a.header.Get("Mcp-Session-Id"))
	}
	g.accessLog(t, func(j contract.Judged) bool { return j.Era == "modern" && j.Tool == "ü😀" })
}

func TestInitializeIgnoresTheClientsOwnID(t *testing.T) {
	g := newGateway(t)
	old := g.initialize(t)
	for _, own := range []string{"mine", "x.y.z", old} {
		id := g.initialize(t, "Mcp-Session-Id", own)
		if id == own {
			t.Errorf("the session is still %q", own)
		}
		g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id).seen(t)
	}
}

func TestBirthOnlyOfWhatTheUpstreamBears(t *testing.T) {
	g := newGateway(t)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"refused":         {[]string{"X-Test-Status", "400"}, 400},
		"server error":    {[]string{"X-Test-Status", "500"}, 500},
		"not ASCII":       {[]string{"X-Test-Session", "é"}, 502},
		"with space":      {[]string{"X-Test-Session", "a b"}, 502},
		"too long":        {[]string{"X-Test-Session", strings.Repeat("a", 1025)}, 502},
		"no session":      {[]string{"X-Test-Session", ""}, 200},
		"longest session": {[]string{"X-Test-Session", strings.Repeat("a", 1024)}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.do(t, http.MethodPost, initialize, c.headers...)
			id := a.header.Get("Mcp-Session-Id")
			if a.status != c.status || (id != "") != (name == "longest session") {
				t.Errorf("%d, session %q: %s", a.status, id, a.body)
			}
			if c.status == 502 {
				a.rpcError(t)
			} else if c.status != 200 && a.body != "upstream's own words" {
				t.Errorf("body %q", a.body)
			}
		})
	}
	// What is no birth bears nothing.
	if a := g.do(t, http.MethodPost, listTools, "X-Test-Session", "up-x"); a.header.Get("Mcp-Session-Id") != "" {
		t.Errorf("a session by tools/list: %q", a.header.Get("Mcp-Session-Id"))
	}
}

func TestGoneReplicaIs404(t *testing.T) {
	g := newGateway(t)
	// A session of another gateway with the same keys, whose replicas are not
	// among ours.
	other := newGateway(t)
	entries, err := os.ReadDir(g.keys)
	if err != nil {
		t.Fatal(err)
	}
	other.kill(t)
	if err := os.RemoveAll(other.keys); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(other.keys, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(g.keys, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other.keys, e.Name()), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other.start(t)
	a := g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", other.initialize(t))
	if code, _ := a.rpcError(t); a.status != http.StatusNotFound || code != -32603 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFailsClosed(t *testing.T) {
	g := newGateway(t)
	for _, path := range []string{"/no-policy", "/buffered"} {
		a := g.doAt(t, path, http.MethodPost, listTools)
		if code, _ := a.rpcError(t); a.status != http.StatusServiceUnavailable || code != -32603 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	g.kill(t)
	a := g.do(t, http.MethodPost, listTools)
	if code, _ := a.rpcError(t); a.status != http.StatusServiceUnavailable || code != -32603 {
		t.Errorf("without extproc: %d %s", a.status, a.body)
	}
	g.start(t)
	eventually(t, "requests are judged again", func() bool {
		return g.do(t, http.MethodPost, listTools).status == http.StatusOK
	})
}
