package translate_test

import (
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

const (
	meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}%}`
	found = `{"jsonrpc":"2.0","id":"mooring-1","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"instructions":"Ask.",` +
		`"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"1"}}}}`
	tool = `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"greet"%}}`
)

func legacy(c translate.Child, o translate.Options) translate.Child { return translate.NewLegacy(c, o) }

// young is a server of the modern era whose client has initialised it.
func young(t *testing.T) *pair {
	t.Helper()
	p := connect(t, legacy, translate.Options{})
	p.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-1","method":"server/discover","params":{` + with(meta, "") + `}}`)
	p.say(found)
	p.got(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},` +
		`"serverInfo":{"name":"new","version":"1"},"instructions":"Ask."}}`)
	p.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-2","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":"mooring-2"}}}`)
	return p
}

func TestLegacyCalls(t *testing.T) {
	p := young(t)
	p.send(with(tool, `,"_meta":{"progressToken":"p"}`))
	p.server(with(tool, ","+with(meta, `,"progressToken":"p"`)))
	progress := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}`
	p.say(progress)
	p.got(progress)
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete","content":[]}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete","content":[]}}`)
	p.send(`{"jsonrpc":"2.0","id":6,"method":"ping"}`)
	p.got(`{"jsonrpc":"2.0","id":6,"result":{}}`)
	p.send(`{"jsonrpc":"2.0","id":7,"method":"x/y"}`)
	p.server(`{"jsonrpc":"2.0","id":7,"method":"x/y","params":{` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"m"}}`)
	p.got(`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"m"}}`)
	p.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`)
}

func TestLegacyCancel(t *testing.T) {
	p := young(t)
	p.send(with(tool, ""))
	p.server(with(tool, ","+with(meta, "")))
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"s2"}}`)
	p.next(p.in)
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%}}`
	p.send(with(cancel, "5"))
	p.server(with(cancel, `"mooring-3"`))
	p.send(with(cancel, "5"))
	p.say(`{"jsonrpc":"2.0","id":"mooring-3","result":{"content":[]}}`)
}

func TestLegacyElicitation(t *testing.T) {
	p := young(t)
	p.send(with(tool, ""))
	p.server(with(tool, ","+with(meta, "")))
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"s1","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"Who?"}}}}}`)
	p.got(`{"jsonrpc":"2.0","id":"mooring-3","method":"elicitation/create","params":{"message":"Who?"}}`)
	p.send(`{"jsonrpc":"2.0","id":"mooring-3","result":{"action":"accept"}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-4","method":"tools/call","params":{"name":"greet","requestState":"s1","inputResponses":{"who":{"action":"accept"}},` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","id":"mooring-4","result":{"resultType":"input_required","requestState":"s2"}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-5","method":"tools/call","params":{"name":"greet","requestState":"s2",` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","id":"mooring-5","result":{"content":[]}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
}

func TestLegacyClientThatCannotAnswer(t *testing.T) {
	p := young(t)
	p.send(with(tool, ""))
	p.server(with(tool, ","+with(meta, "")))
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","inputRequests":{"who":{"method":"sampling/createMessage","params":{}}}}}`)
	p.got(`{"jsonrpc":"2.0","id":"mooring-3","method":"sampling/createMessage","params":{}}`)
	p.send(`{"jsonrpc":"2.0","id":"mooring-3","error":{"code":-32601,"message":"no model"}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"the client could not answer the server's question: no model"}}`)
}

func TestLegacyLogLevel(t *testing.T) {
	p := young(t)
	p.send(`{"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"info"}}`)
	p.got(`{"jsonrpc":"2.0","id":4,"result":{}}`)
	p.send(with(tool, ""))
	p.server(with(tool, ","+with(meta, `,"io.modelcontextprotocol/logLevel":"info"`)))
	log := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}`
	p.say(log)
	p.got(log)
}

func TestLegacySubscriptions(t *testing.T) {
	p := young(t)
	p.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"mooring-2"}}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}`)
	p.send(`{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"u"}}`)
	p.got(`{"jsonrpc":"2.0","id":4,"result":{}}`)
	p.server(`{"jsonrpc":"2.0","id":"mooring-3","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["u"]},` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":"mooring-3"}}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u"}}`)
	p.send(`{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{"uri":"u"}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"result":{}}`)
	p.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mooring-3","reason":"unsubscribed"}}`)
}

func TestLegacyServerThatRefuses(t *testing.T) {
	p := connect(t, legacy, translate.Options{})
	p.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`)
	p.next(p.in)
	p.say(`{"jsonrpc":"2.0","id":"mooring-1","error":{"code":-32603,"message":"no licence"}}`)
	p.got(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no licence"}}`)
}
