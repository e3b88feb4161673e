package mcphttp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// serveModern is serve for a server of the modern era.
func serveModern(t *testing.T, change func(*mcphttp.Config)) *bridge {
	t.Helper()
	return serve(t, func(cfg *mcphttp.Config) {
		start := cfg.Start
		cfg.StartModern = func([]byte) (mcphttp.Child, error) { return start() }
		if change != nil {
			change(cfg)
		}
	})
}

// modernRequest is a request with what the era wants in its params; rest begins
// with a comma.
func modernRequest(id, method, rest string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + modernMeta + rest + `}}`
}

// ask POSTs a request of the modern era as that user, without waiting for the
// answer. Headers come after those that it must have.
func (b *bridge) ask(user, method, request string, headers ...string) <-chan *answer {
	answers := make(chan *answer, 1)
	all := append([]string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " + method, "X-Mooring-Principal: " + user}, headers...)
	go func() { answers <- b.do("POST", request, all...) }()
	return answers
}

// only is the one process that there is.
func (b *bridge) only() *fakeChild {
	b.t.Helper()
	if b.last == nil {
		b.last = wait(b.t, b.children)
	}
	return b.last
}

// got waits for the server to get a message that contains all of the words, and
// returns its id.
func got(t *testing.T, child *fakeChild, words ...string) string {
	t.Helper()
	message := wait(t, child.in)
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Fatalf("the server got %s, without %s", message, word)
		}
	}
	return idOf(message)
}

// tell makes the server write the message, with id in the place of %.
func tell(t *testing.T, child *fakeChild, message, id string) {
	t.Helper()
	select {
	case child.out <- strings.ReplaceAll(message, "%", id):
	case <-time.After(10 * time.Second):
		t.Fatalf("nobody read %s", message)
	}
}

func TestModernUsersHaveProcessesOfTheirOwn(t *testing.T) {
	b := serveModern(t, nil)
	request := modernRequest("9007199254740993", "prompts/list", "")
	first := b.ask("ann", "prompts/list", request)
	ann := wait(t, b.children)
	id := got(t, ann, "prompts/list")
	second := b.ask("bob", "prompts/list", request)
	bob := wait(t, b.children)
	other := got(t, bob, "prompts/list")
	third := b.ask("ann", "prompts/list", request)
	again := got(t, ann, "prompts/list")
	if again == id {
		t.Errorf("two requests have the id %s", id)
	}
	tell(t, bob, `{"jsonrpc":"2.0","id":%,"result":{"of":"bob"}}`, other)
	tell(t, ann, `{"jsonrpc":"2.0","id":%,"result":{"of":"ann again"}}`, again)
	tell(t, ann, `{"jsonrpc":"2.0","id":%,"result":{"of":"ann"}}`, id)
	for want, answers := range map[string]<-chan *answer{"ann": first, "bob": second, "ann again": third} {
		a := wait(t, answers)
		if text := a.body(); text != `{"jsonrpc":"2.0","id":9007199254740993,"result":{"of":"`+want+`"}}` || a.StatusCode != 200 {
			t.Errorf("%s: %d %s", want, a.StatusCode, text)
		}
		if a.Header.Get("Mcp-Session-Id") != "" {
			t.Error("there is a session id")
		}
	}
	if n := b.handler.Sessions() + b.handler.InFlight(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestSharedProcessKeepsUsersApart(t *testing.T) {
	b := serveModern(t, func(cfg *mcphttp.Config) { cfg.Shared = true })
	request := func(level string) string {
		return `{"jsonrpc":"2.0","id":"x","method":"prompts/list","params":{"_meta":{"progressToken":"p",` + level +
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	}
	first := b.ask("ann", "prompts/list", request(`"io.modelcontextprotocol/logLevel":"info",`))
	child := wait(t, b.children)
	ann := got(t, child, `"progressToken":1`)
	second := b.ask("bob", "prompts/list", request(""))
	bob := got(t, child, `"progressToken":2`)
	log := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"secret"}}`
	progress := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%,"progress":1}}`
	tell(t, child, log, "")
	tell(t, child, progress, bob)
	a := wait(t, second)
	if text := a.data(); text != strings.Replace(progress, "%", `"p"`, 1) {
		t.Errorf("bob got %s", text)
	}
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, bob)
	if text := a.data(); text != `{"jsonrpc":"2.0","id":"x","result":{}}` {
		t.Errorf("bob got %s", text)
	}
	// Now that only one request is in flight, the log can only be about that.
	tell(t, child, log, "")
	a = wait(t, first)
	if text := a.data(); text != log {
		t.Errorf("ann got %s", text)
	}
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, ann)
	if text := a.data(); text != `{"jsonrpc":"2.0","id":"x","result":{}}` {
		t.Errorf("ann got %s", text)
	}
	want := `# HELP mooring_bridge_notifications_dropped_total Notifications of servers in the modern era that belong to no request.
# TYPE mooring_bridge_notifications_dropped_total counter
mooring_bridge_notifications_dropped_total 1
`
	if err := testutil.GatherAndCompare(b.reg, strings.NewReader(want), "mooring_bridge_notifications_dropped_total"); err != nil {
		t.Error(err)
	}
}

func TestDisconnectCancels(t *testing.T) {
	b := serveModern(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, strings.NewReader(modernRequest("5", "prompts/list", "")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", "prompts/list")
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	child := wait(t, b.children)
	id := got(t, child, "prompts/list")
	leave()
	if err := wait(t, done); err == nil {
		t.Error("the request was answered")
	}
	got(t, child, "notifications/cancelled", `"requestId":`+id+`,`)
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, id)
	if n := b.handler.InFlight(); n != 0 {
		t.Errorf("%d calls are in flight", n)
	}
}

func TestSubscription(t *testing.T) {
	b := serveModern(t, nil)
	answers := b.ask("", "subscriptions/listen", modernRequest(`"s"`, "subscriptions/listen", `,"notifications":{"toolsListChanged":true}`))
	child := wait(t, b.children)
	id := got(t, child, "subscriptions/listen")
	note := `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%}}}`
	tell(t, child, note, "999")
	tell(t, child, note, id)
	a := wait(t, answers)
	if text := a.data(); text != strings.Replace(note, "%", `"s"`, 1) {
		t.Errorf("got %s", text)
	}
	result := `{"jsonrpc":"2.0","id":%,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":%}}}`
	tell(t, child, result, id)
	if text := a.data(); text != strings.ReplaceAll(result, "%", `"s"`) {
		t.Errorf("got %s", text)
	}
}

func TestModernCrash(t *testing.T) {
	b := serveModern(t, nil)
	answers := b.ask("", "prompts/list", modernRequest("1", "prompts/list", ""))
	child := b.only()
	got(t, child, "prompts/list")
	close(child.ended)
	if a := wait(t, answers); a.StatusCode != 200 || !strings.Contains(a.body(), "exited with code 7") {
		t.Errorf("got %d", a.StatusCode)
	}
	if wait(t, b.born) {
		t.Error("the server was said to work")
	}
	b.last = nil
	answers = b.ask("", "prompts/list", modernRequest("1", "prompts/list", ""))
	child = b.only()
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, child, "prompts/list"))
	if a := wait(t, answers); a.StatusCode != 200 {
		t.Errorf("after the crash: %d", a.StatusCode)
	}
}

func TestIdleProcessEnds(t *testing.T) {
	b := serveModern(t, func(cfg *mcphttp.Config) { cfg.IdleTimeout = 100 * time.Millisecond })
	answers := b.ask("", "prompts/list", modernRequest("1", "prompts/list", ""))
	child := b.only()
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, child, "prompts/list"))
	wait(t, answers)
	wait(t, child.stopped)
}

func TestServersThatAskAreAnswered(t *testing.T) {
	b := serveModern(t, nil)
	answers := b.ask("", "prompts/list", modernRequest("1", "prompts/list", ""))
	child := b.only()
	id := got(t, child, "prompts/list")
	tell(t, child, `{"jsonrpc":"2.0","id":"q","method":"roots/list"}`, "")
	got(t, child, `"id":"q","error":{"code":-32601`)
	tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, id)
	wait(t, answers)
}
