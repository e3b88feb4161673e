package mcphttp_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

// recovering is serve with sessions that outlive their processes; its notes are
// in dir.
func recovering(t *testing.T, dir string) *bridge {
	t.Helper()
	keeper, err := recovery.Open(bytes.Repeat([]byte("k"), 32), dir)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(cfg *mcphttp.Config) { cfg.Recovery = keeper })
}

// elsewhere is the session at another bridge, which has not seen it yet.
func (c *client) elsewhere(b *bridge) *client {
	return &client{bridge: b, header: c.header, ids: make(map[string]string)}
}

// welcome plays the server in the recovery of a session.
func (c *client) welcome(reply string) {
	c.t.Helper()
	c.child = wait(c.t, c.children)
	tell(c.t, c.child, reply, got(c.t, c.child, `"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}`))
}

var again = strings.Replace(initialized, `"id":0`, `"id":%`, 1)

func TestAnotherReplicaGoesOn(t *testing.T) {
	dir := t.TempDir()
	old := recovering(t, dir).connect()
	for method, params := range map[string]string{
		"logging/setLevel": `{"level":"debug"}`, "resources/subscribe": `{"uri":"u"}`,
	} {
		answers := old.post(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`)
		tell(t, old.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, old.child, method))
		wait(t, answers)
	}
	c := old.elsewhere(recovering(t, dir))
	request := `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	first, second := c.post(request), c.post(strings.Replace(request, "7", "8", 1))
	c.welcome(again)
	got(t, c.child, "notifications/initialized")
	tell(t, c.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, c.child, `"method":"logging/setLevel","params":{"level":"debug"}`))
	tell(t, c.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, c.child, `"method":"resources/subscribe","params":{"uri":"u"}`))
	for range 2 {
		tell(t, c.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, c.child, "tools/list"))
	}
	for _, answers := range []<-chan *answer{first, second} {
		if a := wait(t, answers); a.StatusCode != 200 || a.Header.Get("Mcp-Session-Id") != "" {
			t.Errorf("got %d", a.StatusCode)
		}
	}
	if len(c.children) > 0 {
		t.Error("there are two processes for one session")
	}
}

func TestWhatCannotBeRecovered(t *testing.T) {
	dir := t.TempDir()
	old := recovering(t, dir).connect()
	c := old.elsewhere(recovering(t, dir))
	request := `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	if a := wait(t, c.post(request, "X-Mooring-Principal: other")); a.StatusCode != 404 {
		t.Errorf("another user gets %d", a.StatusCode)
	}
	if a := c.do("DELETE", "", c.header, "X-Mooring-Principal: other"); a.StatusCode != 404 {
		t.Errorf("another user's DELETE gives %d", a.StatusCode)
	}
	if len(c.children) > 0 {
		t.Error("a process was started for another user")
	}
	answers := c.post(request)
	c.welcome(strings.Replace(again, "2025-11-25", "2025-06-18", 1))
	if a := wait(t, answers); a.StatusCode != 404 {
		t.Errorf("with another version: %d", a.StatusCode)
	}
	answers = c.post(request)
	c.welcome(`{"jsonrpc":"2.0","id":%,"error":{"code":-32603,"message":"m"}}`)
	if a := wait(t, answers); a.StatusCode != 404 {
		t.Errorf("with a server that refuses: %d", a.StatusCode)
	}
	if n := c.handler.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestClientIsToldWhichRequestIsLost(t *testing.T) {
	dir := t.TempDir()
	old := recovering(t, dir).connect()
	answers := old.post(`{"jsonrpc":"2.0","id":"lost","method":"tools/call","params":{"_meta":{"progressToken":1}}}`)
	old.arrived(`"lost"`)
	old.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`)
	prime, _ := wait(t, answers).next()

	c := old.elsewhere(recovering(t, dir))
	resumed := make(chan *answer, 1)
	go func() { resumed <- c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+prime.id) }()
	c.welcome(again)
	a := wait(t, resumed)
	if data := a.data(); !strings.Contains(data, `"id":"lost","error"`) || !strings.Contains(data, "the session goes on") {
		t.Errorf("got %s", data)
	}
	if _, ok := a.next(); ok {
		t.Error("the stream goes on")
	}
	for _, id := range []string{"x1_1", "x1.e30_1", "x1.!_1"} {
		if a := c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+id); a.StatusCode != 400 {
			t.Errorf("resuming after %s gives %d", id, a.StatusCode)
		}
	}
}
