package mcphttp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

func TestJSONAnswerKeepsBytes(t *testing.T) {
	c := serve(t, nil).connect()
	request := `{ "id":1.50,  "method":"x/unknown","jsonrpc":"2.0","extra":{"k":1e3}}`
	reply := `{"id":1.50, "unknown":[ 1 ],"jsonrpc":"2.0","result":{"z":1,"a":2}}`
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

// Servers written in JavaScript answer these ids with other bytes, or not at all.
func TestIDsSurviveServersThatRespellThem(t *testing.T) {
	c := serve(t, nil).connect()
	for _, id := range []string{"9007199254740993", "-0", "1e400", "1.0", `"\u0061"`} {
		request := `{"jsonrpc":"2.0","id":` + id + `,"method":"x"}`
		answers := c.post(request)
		c.expect(request)
		if got := c.ids[id]; strings.Trim(got, "0123456789") != "" || len(got) > 9 {
			t.Errorf("the server gets id %s", got)
		}
		if got := wait(t, c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`}}`)); got.StatusCode != 202 {
			t.Errorf("cancelling gives %d", got.StatusCode)
		}
		c.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + c.ids[id] + `}}`)
		c.say(`{"jsonrpc":"2.0","id":` + id + `,"result":{}}`)
		if got := wait(t, answers).body(); got != `{"jsonrpc":"2.0","id":`+id+`,"result":{}}` {
			t.Errorf("got %s", got)
		}
	}
	// What is not in flight any more is not another's to cancel.
	if got := wait(t, c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)); got.StatusCode != 202 {
		t.Errorf("cancelling gives %d", got.StatusCode)
	}
	answers := c.post(`{"jsonrpc":"2.0","id":5,"method":"last"}`)
	c.expect(`{"jsonrpc":"2.0","id":5,"method":"last"}`)
	c.say(`{"jsonrpc":"2.0","id":5,"result":{}}`)
	wait(t, answers)
}

func TestStreamedAnswer(t *testing.T) {
	c := serve(t, nil).connect()
	request := `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}`
	other := `{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"q"}}}`
	answers := c.post(request)
	c.arrived(`"a"`)
	others := c.post(other)
	c.arrived(`"b"`)
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
	c.arrived(`1`)
	a := wait(t, answers)
	c.say(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	if e, _ := a.next(); e.data == "" {
		t.Errorf("the stream begins with %+v", e)
	}
}

func TestServerRequestGoesToTheCallAndBack(t *testing.T) {
	c := serve(t, nil).connect()
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}}`)
	c.arrived(`1`)
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
	c.arrived(`1`)
	progress := func(n string) string {
		return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":5,"progress":` + n + `}}`
	}
	c.say(progress("1"))
	a := wait(t, answers)
	prime, _ := a.next()
	first, _ := a.next()
	_ = a.Body.Close()
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

func TestTooLongAnswer(t *testing.T) {
	c := serve(t, nil).connect()
	answers := c.post(`{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"dump"}}`)
	c.arrived(`"long"`)
	c.say(`{"jsonrpc":"2.0","id":"long","result":{"content":[{"text":"xxxx<CUT>`)
	if got := wait(t, answers).body(); !strings.Contains(got, `"id":"long","error"`) {
		t.Errorf("got %s", got)
	}
}

func TestCancelledCallEndsWithoutAnswer(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.PatienceJSON = time.Millisecond })
	c := b.connect()
	answers := c.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}`)
	c.arrived(`1`)
	a := wait(t, answers)
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
	if got := wait(t, c.post(cancel)); got.StatusCode != 202 {
		t.Errorf("cancelling gives %d", got.StatusCode)
	}
	c.expect(withID(cancel, c.ids["1"]))
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
