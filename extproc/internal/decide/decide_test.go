package decide

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

// fakeSessions knows one session, and mints ids that say what they are for.
type fakeSessions struct{ mintErr error }

func (f fakeSessions) Mint(b session.Birth) (id session.ClientID, hash string, err error) {
	return session.ClientID(strings.Join([]string{"token", string(b.Adapter), string(b.Upstream), string(b.Endpoint), b.Principal.Subject, b.Role}, ":")), "h", f.mintErr
}

func (fakeSessions) Open(id session.ClientID, adapter adapters.UID, who adapters.Principal) (session.Session, error) {
	if id != "good" || adapter != "uida" || who.Subject != "ann" {
		return session.Session{}, session.RefusedToken
	}
	return session.Session{Upstream: "up", Endpoint: "ZXA=", Hash: "h"}, nil
}

type failingAuthenticator struct{}

func (failingAuthenticator) Authenticate(context.Context, http.Header) (adapters.Principal, error) {
	return adapters.Principal{}, errors.New("issuer at 10.0.0.1 is away")
}

func newJudge() *Judge {
	return &Judge{Authenticator: authn.Development{}, Sessions: fakeSessions{}, Origins: map[string]bool{"https://gw": true}, MaxBody: 1000}
}

var policy = contract.Policy{Adapter: "a", UID: "uida", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Route: contract.RouteSession}

func onRoute(route contract.Route) contract.Policy {
	p := policy
	p.Route = route
	return p
}

// header holds pairs of name and value; without other word, ann without roles
// sends it.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	for name, value := range map[string]string{authn.HeaderDevUser: "ann", authn.HeaderDevRoles: ""} {
		if len(h[name]) == 0 {
			h.Set(name, value)
		}
	}
	return h
}

func post(pairs ...string) Head {
	h := header(pairs...)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = []string{"application/json"}
	}
	return Head{Method: http.MethodPost, Header: h}
}

var (
	list       = inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: "tools/list"}
	initialize = inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: "initialize"}
	reply      = inspect.Message{Kind: inspect.Response, ID: []byte("1")}
)

func made(t *testing.T, p contract.Policy) Policy {
	t.Helper()
	policy, err := NewPolicy(p)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func judgeAll(t *testing.T, p contract.Policy, head Head, message inspect.Message, err error) (*Request, Decision) {
	t.Helper()
	j := newJudge()
	r, d := j.Head(t.Context(), made(t, p), head)
	if d.Refusal != nil {
		if r != nil {
			t.Error("a refused request goes on")
		}
		return r, d
	}
	return r, j.Body(r, message, err)
}

// TestListedTools: a call says whether the server has listed its tool, where that
// is known.
func TestListedTools(t *testing.T) {
	call := inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: "tools/call", Name: "echo"}
	for _, test := range []struct {
		tools []string
		want  string
	}{{nil, ""}, {[]string{}, contract.ListedNo}, {[]string{"who"}, contract.ListedNo}, {[]string{"echo", "who"}, contract.ListedYes}} {
		p := policy
		p.ToolNames = test.tools
		sent, err := contract.DecodePolicy(p.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if _, d := judgeAll(t, sent, post("Mcp-Session-Id", "good"), call, nil); d.Metadata.Listed != test.want || d.Metadata.Tool != "echo" {
			t.Errorf("%q: %+v", test.tools, d.Metadata)
		}
		if _, d := judgeAll(t, sent, post("Mcp-Session-Id", "good"), list, nil); d.Metadata.Listed != "" {
			t.Errorf("%q, another method: %+v", test.tools, d.Metadata)
		}
	}
}

// TestOrder holds which of several faults is answered.
func TestOrder(t *testing.T) {
	const anns = "X-Dev-UserId"
	for name, c := range map[string]struct {
		head   Head
		status int
	}{
		"method before content type": {Head{Method: "PUT", Header: header("Content-Type", "x")}, 405},
		"content type before origin": {post("Content-Type", "x", "Origin", "http://evil"), 415},
		"origin before principal":    {post("Origin", "http://evil", anns, "a", anns, "b"), 403},
		"size before principal":      {post("Content-Length", "1001", anns, "a", anns, "b"), 413},
		"principal before access":    {post(anns, "bob", anns, "bob", "Mcp-Session-Id", "bad"), 401},
		"access before era":          {post(anns, "bob", headerVersion, "2026-07-28", headerVersion, "x"), 403},
		"access before session":      {post(anns, "bob", "Mcp-Session-Id", "bad"), 403},
		"era before session":         {Head{Method: "GET", Header: header(headerVersion, "2026-07-28", "Mcp-Session-Id", "bad")}, 405},
		"session last":               {post("Mcp-Session-Id", "bad"), 404},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := judgeAll(t, policy, c.head, list, nil)
			if d.Refusal == nil || d.Refusal.Status != c.status || d.Metadata.Verdict != d.Refusal.Reason || d.Metadata.Adapter != "a" {
				t.Errorf("decision %+v, refusal %+v", d, d.Refusal)
			}
		})
	}
}

// TestBrowsers: a link, an image or a frame on some page must not reach an
// adapter, and no answer may be opened as a page.
func TestBrowsers(t *testing.T) {
	for _, c := range []struct {
		headers []string
		reason  string
	}{
		{[]string{"Sec-Fetch-Site", "none"}, ""},
		{[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, ""},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://gw"}, ""},
		{[]string{"Sec-Fetch-Site", "cross-site"}, "origin"},
		{[]string{"Sec-Fetch-Site", "same-site"}, "origin"},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, "origin"},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil"}, "origin"},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, "navigation"},
		{[]string{"Sec-Fetch-Mode", "navigate", "Origin", "https://gw"}, "navigation"},
	} {
		for _, head := range []Head{post(c.headers...), {Method: http.MethodGet, Header: header(c.headers...), Bodiless: true}} {
			_, d := judgeAll(t, policy, head, list, nil)
			if c.reason == "" && d.Refusal != nil {
				t.Errorf("%s with %q: refused: %+v", head.Method, c.headers, d.Refusal)
			}
			if c.reason != "" && (d.Refusal == nil || d.Refusal.Status != 403 || d.Refusal.Reason != c.reason) {
				t.Errorf("%s with %q: %+v, want 403 %s", head.Method, c.headers, d.Refusal, c.reason)
			}
		}
	}
}

func TestAccess(t *testing.T) {
	for name, c := range map[string]struct {
		user, roles string
		ok          bool
	}{
		"creator":       {"ann", "", true},
		"reader":        {"bob", "x,reader", true},
		"administrator": {"bob", adapters.AdminRole, true},
		"other role":    {"bob", "Reader", false},
		"nobody's role": {"bob", "", false},
	} {
		_, d := judgeAll(t, policy, post("X-Dev-UserId", c.user, "X-Dev-Roles", c.roles), list, nil)
		if (d.Refusal == nil) != c.ok {
			t.Errorf("%s: refusal %+v", name, d.Refusal)
		}
	}
}

func TestAuthenticatorThatFails(t *testing.T) {
	j := newJudge()
	j.Authenticator = failingAuthenticator{}
	_, d := j.Head(t.Context(), made(t, policy), post())
	if d.Refusal == nil || d.Refusal.Status != http.StatusServiceUnavailable || strings.Contains(string(d.Refusal.Body()), "10.0.0.1") {
		t.Errorf("refusal %+v", d.Refusal)
	}
}

func TestSessionOfARequest(t *testing.T) {
	hash := adapters.Principal{Subject: "ann"}.Hash()
	none := []Field{{"x-mooring-principal", hash}}
	pinned := append(none[:1:1], Field{"mcp-session-id", "up"}, Field{"x-mooring-endpoint", "ZXA="})
	gone := []string{"mcp-session-id", "x-mooring-endpoint"}
	for name, c := range map[string]struct {
		route   contract.Route
		head    Head
		message inspect.Message
		set     []Field
		remove  []string
		await   bool
	}{
		"POST":                        {contract.RouteSession, post("Mcp-Session-Id", "good"), list, pinned, nil, false},
		"answer to the server":        {contract.RouteSession, post("Mcp-Session-Id", "good"), reply, pinned, nil, false},
		"GET":                         {contract.RouteSession, Head{Method: "GET", Header: header("Mcp-Session-Id", "good"), Bodiless: true}, inspect.Message{}, pinned, nil, false},
		"DELETE":                      {contract.RouteSession, Head{Method: "DELETE", Header: header("Mcp-Session-Id", "good"), Bodiless: true}, inspect.Message{}, pinned, nil, true},
		"birth":                       {contract.RouteBirth, post(), initialize, none, gone, true},
		"birth with an id":            {contract.RouteSession, post("Mcp-Session-Id", "bad"), initialize, none, gone, true},
		"no session":                  {contract.RouteBirth, post(), list, none, gone, true},
		"modern ignores it":           {contract.RouteSession, post("Mcp-Session-Id", "bad", headerVersion, "2026-07-28", headerMethod, "tools/list"), list, none, gone, false},
		"modern initialize":           {contract.RouteModern, post(headerVersion, "2026-07-28", headerMethod, "initialize"), initialize, none, gone, false},
		"own endpoint":                {contract.RouteSession, post("Mcp-Session-Id", "good", "X-Mooring-Endpoint", "ZXZpbA=="), list, pinned, nil, false},
		"legacy version does nothing": {contract.RouteSession, post("Mcp-Session-Id", "good", headerVersion, "2025-11-25"), list, pinned, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := judgeAll(t, onRoute(c.route), c.head, c.message, nil)
			if d.Refusal != nil {
				t.Fatalf("refused: %+v", d.Refusal)
			}
			var remove []string
			for _, name := range d.Remove {
				if !strings.HasPrefix(name, "x-dev-") {
					remove = append(remove, name)
				}
			}
			if diff := cmp.Diff(c.set, d.Set); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.remove, remove); diff != "" {
				t.Errorf("remove (-want +got):\n%s", diff)
			}
			if d.AwaitResponse != c.await {
				t.Errorf("await response: %v", d.AwaitResponse)
			}
		})
	}
}

func TestBodyFaults(t *testing.T) {
	fault := &inspect.Fault{Reason: inspect.FaultSyntax, Code: inspect.CodeParse, Message: "m", ID: []byte("5")}
	_, d := judgeAll(t, policy, post(), inspect.Message{}, fault)
	if d.Refusal.Status != 400 || string(d.Refusal.Body()) != `{"jsonrpc":"2.0","id":5,"error":{"code":-32700,"message":"m"}}` {
		t.Errorf("%d %s", d.Refusal.Status, d.Refusal.Body())
	}
	_, d = judgeAll(t, policy, post(), inspect.Message{}, inspect.TooLarge())
	if d.Refusal.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", d.Refusal.Status)
	}
	_, d = judgeAll(t, policy, post(), inspect.Message{}, errors.New("x"))
	if d.Refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("unread: %d", d.Refusal.Status)
	}
}

func TestRefusalKeepsTheID(t *testing.T) {
	for _, id := range []string{`"a\u0041\n"`, `1.50e+3`, `90071992547409931234`} {
		var got struct{ ID json.RawMessage }
		body := (&Refusal{ID: []byte(id)}).Body()
		if err := json.Unmarshal(body, &got); err != nil || string(got.ID) != id {
			t.Errorf("id %s became %s (%v)", id, got.ID, err)
		}
	}
}
