package mcphttp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

func TestJSONAnswerKeepsBytes(t *testing.T) {
	c := serve(t, nil).connect()
	request := `{ "id":1.50,  "method":"x/unknown","jsonrpc":"2.0","extra":{"k":1e3}}`
	reply := `{"id":1.5, "unknown":[ 1 ],"jsonrpc":"2.0","result":{"z":1,"a":2}}`
	answers := c.post(strings.Replace(request, ",  ", ",\r\n", 1), "MCP-Protocol-Version: 2025-11-25")
	c.expect(request)
	c.say(reply)
	a := wait(t, answers)
	if got := a.body(); got != reply || a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %s", a.StatusCode, a.Header.Get("Content-Type"), got)
	}
	if id := a.Header.Get("Mcp-Session-Id"); id != "" {
		t.Error("the answer repeats the session id")
	}
}

func TestStreamedAnswer(t *testing.T) {
	c := serve(t, nil).connect()
	request := `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}`
	other := `{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"q"}}}`
	answers, others := c.post(request), c.post(other)
	<-c.child.in
	<-c.child.in
	progress := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}`
	c.say(progress)
	a := wait(t, answers)
	if got := a.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type %s", got)
	}
	prime, _ := a.next()
	if prime.id == "" || prime.data != "" || prime.retry != "1000" {
		t.Errorf("the stream begins with %+v", prime)
	}
	if got := a.data(); got != progress {
		t.Errorf("got %s", got)
	}
	reply := "{\"jsonrpc\":\"2.0\",\r\"id\":\"a\",\"result\":{}}"
	c.say(`{"jsonrpc":"2.0","id":"b","result":{}}`)
	c.say(reply)
	if got := a.data(); got != strings.ReplaceAll(reply, "\r", " ") {
		t.Errorf("got %q", got)
	}
	if e, ok := a.next(); ok {
		t.Errorf("after the answer comes %+v", e)
	}
	if got := wait(t, others).body(); got != `{"jsonrpc":"2.0","id":"b","result":{}}` {
		t.Errorf("the other call got %s", got)
	}
}

func TestOlderClientsGetNoPrimingEvent(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.PatienceJSON = time.Millisecond })
	c := b.connectAs(strings.Replace(initialized, "2025-11-25", "2025-03-26", 1))
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	<-c.child.in
	a := wait(t, answers)
	c.say(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	if e, _ := a.next(); e.data == "" {
		t.Errorf("the stream begins with %+v", e)
	}
}

func TestServerRequestGoesToTheCallAndBack(t *testing.T) {
	c := serve(t, nil).connect()
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}}`)
	<-c.child.in
	ask := `{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{}}`
	c.say(ask)
	a := wait(t, answers)
	if got := a.data(); got != ask {
		t.Errorf("got %s", got)
	}
	reply := `{"jsonrpc":"2.0","id":77,"result":{"action":"accept"}}`
	if got := wait(t, c.post(reply)); got.StatusCode != 202 || got.body() != "" {
		t.Errorf("the client's answer gives %d", got.StatusCode)
	}
	c.expect(reply)
	c.say(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	if got := a.data(); got != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		t.Errorf("got %s", got)
	}
}

func TestGeneralStream(t *testing.T) {
	c := serve(t, nil).connect()
	early := `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	c.say(early)
	a := c.do("GET", "", c.header, "Accept: text/event-stream")
	if got := a.data(); got != early {
		t.Errorf("what was said before the stream opened: %s", got)
	}
	if second := c.do("GET", "", c.header, "Accept: text/event-stream"); second.StatusCode != http.StatusConflict {
		t.Errorf("a second stream gives %d", second.StatusCode)
	}
	ping := `{"jsonrpc":"2.0","id":"s","method":"ping"}`
	c.say(ping)
	if got := a.data(); got != ping {
		t.Errorf("got %s", got)
	}
	if got := c.do("DELETE", "", c.header); got.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE gives %d", got.StatusCode)
	}
	if e, ok := a.next(); ok {
		t.Errorf("after DELETE comes %+v", e)
	}
	if got := c.do("DELETE", "", c.header); got.StatusCode != http.StatusNotFound {
		t.Errorf("a second DELETE gives %d", got.StatusCode)
	}
	wait(t, c.child.stopped)
}

func TestResume(t *testing.T) {
	c := serve(t, nil).connect()
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":5}}}`)
	<-c.child.in
	progress := func(n string) string {
		return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":5,"progress":` + n + `}}`
	}
	c.say(progress("1"))
	a := wait(t, answers)
	prime, _ := a.next()
	first, _ := a.next()
	a.Body.Close()
	// The disconnect does not cancel: the server goes on, and nothing is told it.
	c.say(progress("2"))
	resumed := c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+first.id)
	if got := resumed.data(); got != progress("2") {
		t.Errorf("after the first event comes %s", got)
	}
	reply := `{"jsonrpc":"2.0","id":1,"result":{}}`
	c.say(reply)
	if got := resumed.data(); got != reply {
		t.Errorf("got %s", got)
	}
	if _, ok := resumed.next(); ok {
		t.Error("the stream goes on after the answer")
	}
	again := c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+prime.id)
	for _, want := range []string{progress("1"), progress("2"), reply} {
		if got := again.data(); got != want {
			t.Errorf("replay has %s, want %s", got, want)
		}
	}
	for _, id := range []string{"zzz_1", "nonsense", "0_-1"} {
		if got := c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+id); got.StatusCode != 400 {
			t.Errorf("resuming after %s gives %d", id, got.StatusCode)
		}
	}
}

func TestResumeTakesOverAHalfOpenStream(t *testing.T) {
	c := serve(t, nil).connect()
	old := c.do("GET", "", c.header, "Accept: text/event-stream")
	prime, _ := old.next()
	resumed := c.do("GET", "", c.header, "Accept: text/event-stream", "Last-Event-ID: "+prime.id)
	if _, ok := old.next(); ok {
		t.Error("the old stream goes on")
	}
	note := `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	c.say(note)
	if got := resumed.data(); got != note {
		t.Errorf("got %s", got)
	}
}

func TestCrash(t *testing.T) {
	b := serve(t, nil)
	c := b.connect()
	stream := c.do("GET", "", c.header, "Accept: text/event-stream")
	answers := c.post(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"boom"}}`)
	<-c.child.in
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
	child.out <- reply
	a := wait(t, answers)
	if got := a.body(); got != reply || a.Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("got %s with session %q", got, a.Header.Get("Mcp-Session-Id"))
	}
	wait(t, child.stopped)
}

func TestTooLongAnswer(t *testing.T) {
	c := serve(t, nil).connect()
	answers := c.post(`{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"dump"}}`)
	<-c.child.in
	c.say(`{"jsonrpc":"2.0","id":"long","result":{"content":[{"text":"xxxx<CUT>`)
	if got := wait(t, answers).body(); !strings.Contains(got, `"id":"long","error"`) {
		t.Errorf("got %s", got)
	}
}

func TestCancelledCallEndsWithoutAnswer(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.PatienceJSON = time.Millisecond })
	c := b.connect()
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}`)
	<-c.child.in
	a := wait(t, answers)
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
	if got := wait(t, c.post(cancel)); got.StatusCode != 202 {
		t.Errorf("cancelling gives %d", got.StatusCode)
	}
	c.expect(cancel)
	for {
		e, ok := a.next()
		if !ok {
			break
		}
		if e.data != "" {
			t.Errorf("got %s", e.data)
		}
	}
	if n := b.handler.InFlight(); n != 0 {
		t.Errorf("%d calls are in flight", n)
	}
}

func TestCaps(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.MaxSessions, cfg.MaxInFlight = 1, 1 })
	c := b.connect()
	a := b.do("POST", initialize)
	if got := a.body(); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(got, `"id":0,"error":{"code":-32603`) {
		t.Errorf("one session too many gives %d %s", a.StatusCode, got)
	}
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	<-c.child.in
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":2,"method":"x"}`)); got.StatusCode != 429 {
		t.Errorf("one request too many gives %d", got.StatusCode)
	}
	if got := wait(t, c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`)); got.StatusCode != 400 {
		t.Errorf("an id in flight gives %d", got.StatusCode)
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
	stream.Body.Close()
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
