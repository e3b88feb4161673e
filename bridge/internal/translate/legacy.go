package translate

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// Legacy is a server of the modern era that looks like one of the legacy era, to
// one client. As with any Child, Receive must be called until it returns an
// error.
type Legacy struct {
	side

	// All under mu.
	client   greeting
	listens  []string // the lists whose changes the server tells of
	level    string
	calls    map[jsonrpc.ID]*passed // by the id that the server knows
	open     map[string]*passed     // by the client's id, until the answer
	asked    map[jsonrpc.ID]*input  // by the id of a question to the client
	watching map[string][]byte      // ids of the subscriptions to resources
}

// greeting is what a client says of itself in initialize.
type greeting struct {
	Version      string         `json:"protocolVersion"`
	Capabilities jsontext.Value `json:"capabilities"`
	ClientInfo   jsontext.Value `json:"clientInfo"`
}

// discovery is the result of server/discover, as far as it is needed.
type discovery struct {
	Capabilities map[string]jsontext.Value `json:"capabilities"`
	Instructions jsontext.Value            `json:"instructions"`
	Meta         map[string]jsontext.Value `json:"_meta"`
}

// NewLegacy returns the child in the legacy era. The child must be fresh.
func NewLegacy(child Child, opts Options) *Legacy {
	t := &Legacy{
		calls:    make(map[jsonrpc.ID]*passed),
		open:     make(map[string]*passed),
		asked:    make(map[jsonrpc.ID]*input),
		watching: make(map[string][]byte),
	}
	t.init(child, opts)
	return t
}

// Receive implements Child.
func (t *Legacy) Receive() (message []byte, cut bool, err error) { return t.next(t.run) }

func (t *Legacy) run() {
	defer t.out.Close()
	t.read(func(m jsonrpc.Message, line []byte) {
		switch m.Kind {
		case jsonrpc.Response:
			t.answer(m, line)
		case jsonrpc.Request:
			t.send(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeNoMethod, "servers ask nothing by request in this version of the protocol"))
		default:
			t.notify(m, line)
		}
	})
}

// Send implements Child: it takes a message of the legacy era.
func (t *Legacy) Send(message []byte) error {
	m, err := jsonrpc.Parse(message)
	if err != nil {
		return err
	}
	switch {
	case m.Kind == jsonrpc.Response:
		return t.input(m, message)
	case m.Method == jsonrpc.MethodCancelled:
		return t.cancel(m, message)
	case m.Method == "notifications/initialized":
		return t.listen()
	case m.Kind != jsonrpc.Request:
		// The modern era has no other notification of clients.
		return nil
	}
	params := map[string]jsontext.Value{}
	if m.At.Params != (jsonrpc.Span{}) {
		if err := json.Unmarshal(m.At.Params.Of(message), &params); err != nil {
			t.out.Add(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeInvalidParams, "params must be an object"))
			return nil
		}
	}
	switch m.Method {
	case jsonrpc.MethodInitialize:
		return t.greet(m, message)
	case "ping":
		t.done(m)
		return nil
	case "logging/setLevel":
		t.mu.Lock()
		t.level = text(params["level"])
		t.mu.Unlock()
		t.done(m)
		return nil
	case "resources/subscribe", "resources/unsubscribe":
		t.done(m)
		return t.watch(m.Method == "resources/subscribe", text(params["uri"]))
	}
	t.mu.Lock()
	c := &passed{rawID: m.RawID, method: m.Method, params: params, server: m.RawID}
	t.calls[m.ID], t.open[string(m.RawID)] = c, c
	line := jsonrpc.Call(m.RawID, m.Method, t.withMeta(params))
	t.mu.Unlock()
	return t.child.Send(line)
}

// done answers a request that has no other result.
func (t *Legacy) done(m jsonrpc.Message) { t.out.Add(jsonrpc.ResultResponse(m.RawID, []byte("{}"))) }

// text is the string that the value is, or empty.
func text(value jsontext.Value) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// withMeta is the params with what every request of the modern era has. t.mu is
// held.
func (t *Legacy) withMeta(params map[string]jsontext.Value) []byte {
	meta := map[string]jsontext.Value{}
	if params["_meta"] != nil && json.Unmarshal(params["_meta"], &meta) != nil {
		meta = map[string]jsontext.Value{}
	}
	const prefix = "io.modelcontextprotocol/"
	meta[prefix+"protocolVersion"] = jsontext.Value(`"` + modernVersion + `"`)
	meta[prefix+"clientCapabilities"] = jsontext.Value("{}")
	if t.client.Capabilities.Kind() == '{' {
		meta[prefix+"clientCapabilities"] = t.client.Capabilities
	}
	if t.client.ClientInfo.Kind() == '{' {
		meta[prefix+"clientInfo"] = t.client.ClientInfo
	}
	if t.level != "" {
		quoted, _ := jsontext.AppendQuote(nil, t.level)
		meta[prefix+"logLevel"] = quoted
	}
	all := map[string]any{"_meta": meta}
	for name, value := range params {
		if name != "_meta" {
			all[name] = value
		}
	}
	out, err := json.Marshal(all, json.Deterministic(true))
	if err != nil {
		// All of it was parsed before.
		return []byte("{}")
	}
	return out
}

// request makes a request of this side's own. t.mu is held.
func (t *Legacy) request(method string, params map[string]jsontext.Value, then func(m jsonrpc.Message, line []byte)) (line, rawID []byte) {
	return t.ask(method, t.withMeta(params), then)
}

// greet answers initialize with what the server says of itself.
func (t *Legacy) greet(m jsonrpc.Message, message []byte) error {
	var hello greeting
	if m.At.Params != (jsonrpc.Span{}) && json.Unmarshal(m.At.Params.Of(message), &hello) != nil {
		t.out.Add(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeInvalidParams, "the params of initialize are not what the protocol defines"))
		return nil
	}
	t.mu.Lock()
	t.client = hello
	line, _ := t.request(jsonrpc.MethodDiscover, nil, func(answer jsonrpc.Message, line []byte) {
		if answer.Failed {
			t.out.Add(jsonrpc.Rewrite(line, jsonrpc.Edit{At: answer.At.ID, With: m.RawID}))
			return
		}
		t.out.Add(jsonrpc.ResultResponse(m.RawID, t.introduce(answer.At.Result.Of(line))))
	})
	t.mu.Unlock()
	return t.child.Send(line)
}

// introduce is the result of initialize for a result of server/discover.
func (t *Legacy) introduce(result []byte) []byte {
	var server discovery
	if json.Unmarshal(result, &server, lenient()) != nil {
		server = discovery{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listens = nil
	for _, list := range []string{"tools", "prompts", "resources"} {
		if (initialized{Capabilities: server.Capabilities}).has(list, "listChanged") {
			t.listens = append(t.listens, list)
		}
	}
	version := legacyVersion
	if t.client.Version < legacyVersion && strings.HasPrefix(t.client.Version, "202") {
		version = t.client.Version
	}
	hello := map[string]any{"protocolVersion": version, "capabilities": server.Capabilities}
	if server.Capabilities == nil {
		hello["capabilities"] = struct{}{}
	}
	hello["serverInfo"] = server.Meta[metaServerInfo]
	if server.Meta[metaServerInfo] == nil {
		hello["serverInfo"] = map[string]string{"name": "unnamed", "version": "0"}
	}
	if server.Instructions != nil {
		hello["instructions"] = server.Instructions
	}
	out, err := json.Marshal(hello, json.Deterministic(true), lenient())
	if err != nil {
		return []byte(`{"protocolVersion":"` + version + `","capabilities":{},"serverInfo":{"name":"unnamed","version":"0"}}`)
	}
	return out
}
