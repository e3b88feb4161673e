package mcphttp_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

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
	return serve(t, func(cfg *mcphttp.Config) {
		cfg.Recovery = keeper
		// It is a twentieth of this until what moved elsewhere is noticed.
		cfg.IdleTimeout = 10 * time.Second
	})
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

// listTools is a request of a session that goes on.
const listTools = `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`

// goesOn makes the bridge go on with the session by a new process, which answers
// one request.
func (c *client) goesOn() {
	c.t.Helper()
	answers := c.post(listTools)
	c.welcome(again)
	got(c.t, c.child, "notifications/initialized")
	tell(c.t, c.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(c.t, c.child, "tools/list"))
	if a := wait(c.t, answers); a.StatusCode != 200 {
		c.t.Fatalf("the session that goes on gives %d", a.StatusCode)
	}
}

// TestOneBridgeHasASession has one go to a second bridge and come back: the first
// one's process, which knows nothing of what was said there, is not used again.
func TestOneBridgeHasASession(t *testing.T) {
	dir := t.TempDir()
	here := recovering(t, dir).connect()
	there := here.elsewhere(recovering(t, dir))
	there.goesOn()
	wait(t, time.After(100*time.Millisecond)) // as long as a look is taken to hold
	stale := here.child
	answers := here.post(listTools)
	here.child = wait(t, here.children)
	wait(t, stale.stopped)
	tell(t, here.child, again, got(t, here.child, "initialize"))
	got(t, here.child, "notifications/initialized")
	tell(t, here.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, here.child, "tools/list"))
	if a := wait(t, answers); a.StatusCode != 200 {
		t.Errorf("the session that came back gives %d", a.StatusCode)
	}
	// The other is told by nobody, and sees it.
	wait(t, there.child.stopped)
	if n := there.handler.Sessions(); n != 0 {
		t.Errorf("%d sessions are left there", n)
	}
}

// TestAnEndedSessionIsDeadEverywhere ends it at one bridge while another has it.
func TestAnEndedSessionIsDeadEverywhere(t *testing.T) {
	dir := t.TempDir()
	here := recovering(t, dir).connect()
	there := here.elsewhere(recovering(t, dir))
	if a := there.do("DELETE", "", there.header); a.StatusCode != 204 {
		t.Fatalf("DELETE gives %d", a.StatusCode)
	}
	wait(t, time.After(100*time.Millisecond)) // as long as a look is taken to hold
	for _, c := range []*client{here, there} {
		if a := c.do("POST", listTools, c.header); a.StatusCode != 404 {
			t.Errorf("the ended session gives %d", a.StatusCode)
		}
		if a := c.do("DELETE", "", c.header); a.StatusCode != 404 {
			t.Errorf("a second DELETE gives %d", a.StatusCode)
		}
	}
	wait(t, here.child.stopped)
}

// TestWhatMayPassIsNot404 makes a server end while its session is to go on.
func TestWhatMayPassIsNot404(t *testing.T) {
	dir := t.TempDir()
	c := recovering(t, dir).connect().elsewhere(recovering(t, dir))
	for _, ask := range []func() <-chan *answer{
		func() <-chan *answer { return c.post(listTools) },
		func() <-chan *answer {
			answers := make(chan *answer, 1)
			go func() { answers <- c.do("GET", "", c.header, "Accept: text/event-stream") }()
			return answers
		},
	} {
		answers := ask()
		c.child = wait(t, c.children)
		close(c.child.ended)
		if a := wait(t, answers); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || a.Header.Get("X-Mooring-Unsent") != "" {
			t.Errorf("got %d, %v", a.StatusCode, a.Header)
		}
	}
	c.goesOn()
}

// TestUnsent holds which refusals say that the request may be sent again.
func TestUnsent(t *testing.T) {
	dir := t.TempDir()
	old := recovering(t, dir).connect()
	keeper, err := recovery.Open(bytes.Repeat([]byte("k"), 32), dir)
	if err != nil {
		t.Fatal(err)
	}
	closed := serve(t, func(cfg *mcphttp.Config) {
		cfg.Recovery = keeper
		cfg.Admit = func() (string, bool) { return "it drains", false }
	})
	for name, a := range map[string]*answer{
		"a session": closed.do("POST", listTools, old.header),
		"a birth":   closed.do("POST", initialize),
	} {
		if a.StatusCode != 503 || a.Header.Get("X-Mooring-Unsent") != "1" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, %v", name, a.StatusCode, a.Header)
		}
	}
}

// TestLifetime ends a process that is used all the time; its session goes on.
func TestLifetime(t *testing.T) {
	keeper, err := recovery.Open(bytes.Repeat([]byte("k"), 32), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, func(cfg *mcphttp.Config) {
		cfg.Recovery = keeper
		// Looked at each 10 ms.
		cfg.IdleTimeout, cfg.Lifetime = 200*time.Millisecond, 300*time.Millisecond
	}).connect()
	stream := c.do("GET", "", c.header, "Accept: text/event-stream")
	answers := c.post(listTools)
	id := got(t, c.child, "tools/list")
	wait(t, time.After(350*time.Millisecond))
	select {
	case <-c.child.stopped:
		t.Fatal("it is ended with a call in flight")
	default:
	}
	tell(t, c.child, `{"jsonrpc":"2.0","id":%,"result":{}}`, id)
	if a := wait(t, answers); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	wait(t, c.child.stopped)
	if e, ok := stream.next(); !ok || e.data != "" {
		t.Errorf("its stream begins with %+v", e)
	}
	if _, ok := stream.next(); ok {
		t.Error("its stream goes on")
	}
	c.goesOn()
}
