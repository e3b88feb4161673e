package translate_test

import (
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

const (
	caps        = `{"elicitation":{"form":{}}}`
	initResult  = `{"jsonrpc":"2.0","id":"mooring-1","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"tasks":{}},"serverInfo":{"name":"old","version":"1"},"instructions":"Ask."}}`
	serverInfo  = `"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"old","version":"1"}}`
	elicitation = `{"jsonrpc":"2.0","id":"q%","method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}`
	callTool    = `{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"greet","arguments":{"n":1}%}}`
)

func modern(c translate.Child, o translate.Options) translate.Child { return translate.NewModern(c, o) }

// old is a server of the legacy era that was initialised.
func old(t *testing.T, opts translate.Options) *pair {
	t.Helper()
	opts.Capabilities = []byte(caps)
	p := connect(t, modern, opts)
	p.server(`{"jsonrpc":"2.0","id":"mooring-1","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + caps +
		`,"clientInfo":{"name":"mooring-bridge","version":"1"}}}`)
	p.say(initResult)
	p.server(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return p
}

func TestModernDiscover(t *testing.T) {
	p := connect(t, modern, translate.Options{})
	p.next(p.in)
	p.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}`)
	p.say(initResult)
	p.server(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	p.got(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"ttlMs":0,"cacheScope":"private",` +
		`"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"instructions":"Ask.",` + serverInfo + `}}`)
}

func TestModernServerThatRefuses(t *testing.T) {
	p := connect(t, modern, translate.Options{})
	p.next(p.in)
	p.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	p.say(`{"jsonrpc":"2.0","id":"mooring-1","error":{"code":-32603,"message":"no licence"}}`)
	p.got(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no licence"}}`)
}

func TestModernResults(t *testing.T) {
	for name, test := range map[string]struct{ method, result, want string }{
		"list":      {"tools/list", `{"result":{"tools":[]}`, `{"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[],` + serverInfo + `}`},
		"call":      {"tools/call", `{"result":{"content":[],"_meta":{"a":1}}`, `{"result":{"resultType":"complete","content":[],"_meta":{"a":1}}`},
		"empty":     {"completion/complete", `{"result":{}`, `{"result":{"resultType":"complete",` + serverInfo + `}`},
		"error":     {"tools/call", `{"error":{"code":-32603,"message":"m"}`, `{"error":{"code":-32603,"message":"m"}`},
		"not found": {"resources/read", `{"error":{"code":-32002,"message":"gone"}`, `{"error":{"code":-32602,"message":"gone"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := old(t, translate.Options{})
			p.send(`{"jsonrpc":"2.0","id":5,"method":"` + test.method + `"}`)
			p.server(`{"jsonrpc":"2.0","id":5,"method":"` + test.method + `"}`)
			p.say(`{"jsonrpc":"2.0","id":5,` + test.result[1:] + `}`)
			p.got(`{"jsonrpc":"2.0","id":5,` + test.want[1:] + `}`)
		})
	}
}

func TestModernElicitation(t *testing.T) {
	p := old(t, translate.Options{})
	p.send(with(callTool, "5", `,"_meta":{"progressToken":5}`))
	p.server(with(callTool, "5", `,"_meta":{"progressToken":5}`))
	p.say(with(elicitation, "1"))
	stars := p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"*","inputRequests":` +
		`{"*":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}}}`)
	state, key := stars[0], stars[1]
	if len(state) < len(key) {
		state, key = key, state
	}
	// Another question comes while the client is busy with the first.
	p.say(with(elicitation, "2"))
	p.say(`{"jsonrpc":"2.0","id":"x","method":"ping"}`)
	p.server(`{"jsonrpc":"2.0","id":"x","result":{}}`)
	p.send(with(callTool, "6", `,"requestState":"`+state+`","inputResponses":{"`+key+`":{"action":"accept"}}`))
	p.server(`{"jsonrpc":"2.0","id":"q1","result":{"action":"accept"}}`)
	stars = p.got(`{"jsonrpc":"2.0","id":6,"result":{"resultType":"input_required","requestState":"*","inputRequests":` +
		`{"*":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}}}`)
	state, key = stars[0], stars[1]
	if len(state) < len(key) {
		state, key = key, state
	}
	p.send(with(callTool, "7", `,"_meta":{"progressToken":7},"requestState":"`+state+`","inputResponses":{"`+key+`":{"action":"decline"}}`))
	p.server(`{"jsonrpc":"2.0","id":"q2","result":{"action":"decline"}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":5,"progress":1}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}`)
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
	p.got(`{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[],` + serverInfo + `}}`)
}

func TestModernRetryMustFit(t *testing.T) {
	p := old(t, translate.Options{})
	refused := `{"jsonrpc":"2.0","id":6,"error":{"code":-32602,"message":"*"}}`
	p.send(with(callTool, "6", `,"requestState":"unknown"`))
	p.got(refused)
	p.send(with(callTool, "5", ""))
	p.server(with(callTool, "5", ""))
	p.say(with(elicitation, "1"))
	stars := p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"*","inputRequests":{"*":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}}}`)
	state := stars[0]
	if len(stars[1]) > len(state) {
		state = stars[1]
	}
	p.send(`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"other","requestState":"` + state + `"}}`)
	p.got(refused)
	// The server did not wait for the answer.
	p.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q1"}}`)
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
	p.say(`{"jsonrpc":"2.0","id":"x","method":"ping"}`)
	p.server(`{"jsonrpc":"2.0","id":"x","result":{}}`)
	p.send(with(callTool, "7", `,"requestState":"`+state+`"`))
	p.got(`{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[],` + serverInfo + `}}`)
}

func TestModernClientThatDoesNotComeBack(t *testing.T) {
	p := old(t, translate.Options{ParkTimeout: 10 * time.Millisecond})
	p.send(with(callTool, "5", ""))
	p.server(with(callTool, "5", ""))
	p.say(with(elicitation, "1"))
	p.next(p.client)
	got := map[bool]bool{}
	for range 2 {
		message := p.next(p.in)
		got[message == `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"the client did not answer"}}`] = true
	}
	if !got[true] || !got[false] {
		t.Error("the server is not told both")
	}
}

func TestModernQuestionsNobodyCanBeAsked(t *testing.T) {
	p := old(t, translate.Options{Shared: true})
	refused := `{"jsonrpc":"2.0","id":"q1","error":{"code":-32601,"message":"*"}}`
	p.say(with(elicitation, "1"))
	p.server(refused)
	for _, id := range []string{"5", "6"} {
		p.send(with(callTool, id, ""))
		p.server(with(callTool, id, ""))
	}
	p.say(with(elicitation, "1"))
	p.server(refused)
}

func TestModernURLElicitation(t *testing.T) {
	p := old(t, translate.Options{})
	p.send(with(callTool, "5", ""))
	p.server(with(callTool, "5", ""))
	p.say(`{"jsonrpc":"2.0","id":5,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://x.test","message":"Log in","elicitationId":"e"}]}}}`)
	stars := p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"*","inputRequests":{"*":{"method":"elicitation/create","params":{"mode":"url","url":"https://x.test","message":"Log in"}}}}}`)
	state, key := stars[0], stars[1]
	if len(state) < len(key) {
		state, key = key, state
	}
	p.send(with(callTool, "6", `,"requestState":"`+state+`","inputResponses":{"`+key+`":{"action":"accept"}}`))
	p.server(with(callTool, "6", ""))
	p.say(`{"jsonrpc":"2.0","id":6,"result":{"content":[]}}`)
	p.got(`{"jsonrpc":"2.0","id":6,"result":{"resultType":"complete","content":[],` + serverInfo + `}}`)
}

func TestModernLogLevel(t *testing.T) {
	p := old(t, translate.Options{})
	request := `{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"cursor":"c","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","a":1,"io.modelcontextprotocol/logLevel":"debug"}}}`
	for range 2 {
		p.send(request)
	}
	p.server(`{"jsonrpc":"2.0","id":"mooring-2","method":"logging/setLevel","params":{"level":"debug"}}`)
	passed := `{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"cursor":"c","_meta":{"a":1}}}`
	p.server(passed)
	p.server(passed)
	p.say(`{"jsonrpc":"2.0","id":"mooring-2","result":{}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":"x"}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":"x"}}`)
}

func TestModernCancel(t *testing.T) {
	p := old(t, translate.Options{})
	p.send(with(callTool, "5", ""))
	p.server(with(callTool, "5", ""))
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`
	p.send(cancel)
	p.server(cancel)
	p.send(cancel)
	p.say(`{"jsonrpc":"2.0","id":5,"result":{}}`)
}

func TestModernSubscriptions(t *testing.T) {
	p := old(t, translate.Options{})
	p.send(`{"jsonrpc":"2.0","id":8,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["u"]}}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["u"]},"_meta":{"io.modelcontextprotocol/subscriptionId":8}}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-2","method":"resources/subscribe","params":{"uri":"u"}}`)
	p.say(`{"jsonrpc":"2.0","id":"mooring-2","result":{}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":8}}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"other"}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u"}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":8}}}`)
	p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-3","method":"resources/unsubscribe","params":{"uri":"u"}}`)
	p.send(`{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":{"promptsListChanged":true}}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":9}}}`)
	p.got(`{"jsonrpc":"2.0","id":9,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":9}}}`)
}

func TestBound(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: `{}`, ``: `{}`, `{"experimental":{"x":1}}`: `{}`,
		`{"sampling": {}, "roots":{"listChanged":true}, "elicitation":{"url":{}, "form":{}}}`: `{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}`,
	} {
		if got := translate.Bound([]byte(text)); got != want {
			t.Errorf("%s gives %s", text, got)
		}
	}
}
