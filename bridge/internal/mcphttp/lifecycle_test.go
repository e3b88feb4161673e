package mcphttp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

func TestCrash(t *testing.T) {
	b := serve(t, nil)
	c := b.connect()
	stream := c.do("GET", "", c.header, "Accept: text/event-stream")
	answers := c.post(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"boom"}}`)
	c.arrived(`9`)
	close(c.child.ended)
	a := wait(t, answers)
	if got := a.body(); a.StatusCode != 200 || !strings.Contains(got, `"id":9,"error"`) || !strings.Contains(got, "exited with code 7") {
		t.Errorf("the call in flight gets %d %s", a.StatusCode, got)
	}
	for {
		if _, ok := stream.next(); !ok {
			break
		}
	}
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":10,"method":"ping"}`)); got.StatusCode != 404 {
		t.Errorf("a later request gives %d", got.StatusCode)
	}
	if n := b.handler.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	want := `# HELP mooring_bridge_tool_calls_total Tool calls by tool and by how they came out.
# TYPE mooring_bridge_tool_calls_total counter
mooring_bridge_tool_calls_total{outcome="lost",tool="other"} 1
`
	if err := testutil.GatherAndCompare(b.reg, strings.NewReader(want), "mooring_bridge_tool_calls_total"); err != nil {
		t.Error(err)
	}
}

func TestServerThatEndsBeforeItBegins(t *testing.T) {
	b := serve(t, nil)
	answers := make(chan *answer, 1)
	go func() { answers <- b.do("POST", initialize) }()
	close(wait(t, b.children).ended)
	a := wait(t, answers)
	if id := a.Header.Get("Mcp-Session-Id"); id != "" || !strings.Contains(a.body(), `"error"`) {
		t.Errorf("got %d with session %q", a.StatusCode, id)
	}
	if wait(t, b.born) {
		t.Error("the session was said to be born")
	}
}

func TestRefusedInitializeBirthsNothing(t *testing.T) {
	b := serve(t, nil)
	answers := make(chan *answer, 1)
	go func() { answers <- b.do("POST", initialize) }()
	child := wait(t, b.children)
	reply := `{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}`
	child.out <- withID(reply, idOf(wait(t, child.in)))
	a := wait(t, answers)
	if got := a.body(); got != reply || a.Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("got %s with session %q", got, a.Header.Get("Mcp-Session-Id"))
	}
	wait(t, child.stopped)
}

func TestCaps(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.MaxSessions, cfg.MaxInFlight = 1, 1 })
	c := b.connect()
	a := b.do("POST", initialize)
	if got := a.body(); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(got, `"id":0,"error":{"code":-32603`) {
		t.Errorf("one session too many gives %d %s", a.StatusCode, got)
	}
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	c.arrived(`1`)
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":2,"method":"x"}`)); got.StatusCode != 429 {
		t.Errorf("one request too many gives %d", got.StatusCode)
	}
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)); got.StatusCode != 400 {
		t.Errorf("an id in flight gives %d", got.StatusCode)
	}
	want := `
# HELP mooring_bridge_refusals_total Requests refused since there were as many of something as there may be: sessions, processes, requests.
# TYPE mooring_bridge_refusals_total counter
mooring_bridge_refusals_total{limit="processes"} 0
mooring_bridge_refusals_total{limit="requests"} 1
mooring_bridge_refusals_total{limit="sessions"} 1
# HELP mooring_bridge_requests_in_flight Requests that wait for their server's answer.
# TYPE mooring_bridge_requests_in_flight gauge
mooring_bridge_requests_in_flight 1
`
	if err := testutil.GatherAndCompare(b.reg, strings.NewReader(want), "mooring_bridge_refusals_total", "mooring_bridge_requests_in_flight"); err != nil {
		t.Error(err)
	}
	c.say(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	wait(t, answers)
}

func TestIdleSessionExpires(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.IdleTimeout = 200 * time.Millisecond })
	busy, idle := b.connect(), b.connect()
	stream := busy.do("GET", "", busy.header, "Accept: text/event-stream")
	wait(t, idle.child.stopped)
	if got := wait(t, idle.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)); got.StatusCode != 404 {
		t.Errorf("the expired session gives %d", got.StatusCode)
	}
	if n := b.handler.Sessions(); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	_ = stream.Body.Close()
	wait(t, busy.child.stopped)
}

func TestNotAdmitted(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.Admit = func() (string, bool) { return "not now", false } })
	a := b.do("POST", initialize)
	if got := a.body(); a.StatusCode != 503 || !strings.Contains(got, "not now") {
		t.Errorf("got %d %s", a.StatusCode, got)
	}
}

func TestPrincipalsAreKeptApart(t *testing.T) {
	c := serve(t, nil).connect()
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`, "X-Mooring-Principal: other")); got.StatusCode != 404 {
		t.Errorf("another user's request gives %d", got.StatusCode)
	}
}

func TestMetricsLint(t *testing.T) {
	b := serve(t, nil)
	problems, err := testutil.GatherAndLint(b.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
