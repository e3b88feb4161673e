package translate

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// ownID is the id of a request of this side's own, as it is written.
func ownID(n int) []byte { return []byte(`"mooring-` + strconv.Itoa(n) + `"`) }

func parseInitialized(m jsonrpc.Message, line []byte) initialized {
	var i initialized
	if json.Unmarshal(m.At.Result.Of(line), &i, lenient()) != nil {
		return initialized{}
	}
	return i
}

// modernParams are the params of a modern request, as far as they matter here.
type modernParams struct {
	RequestState   *string                   `json:"requestState"`
	InputResponses map[string]jsontext.Value `json:"inputResponses"`
	Notifications  wanted                    `json:"notifications"`
}

// Send implements Child: it takes a message of the modern era, of no user in
// particular.
func (t *Modern) Send(message []byte) error { return t.SendFor("", message) }

// SendFor is Send for a message of that user: only who has made a call goes on
// with it.
func (t *Modern) SendFor(user string, message []byte) error {
	m, err := jsonrpc.Parse(message)
	if err != nil {
		return err
	}
	t.mu.Lock()
	switch {
	case t.refusal != nil && m.Kind == jsonrpc.Request:
		refusal := t.refusal
		t.mu.Unlock()
		return t.say(refusal, m.RawID)
	case t.server == nil:
		t.early = append(t.early, early{user, message})
		t.mu.Unlock()
		return nil
	}
	t.mu.Unlock()
	switch {
	case m.Method == jsonrpc.MethodCancelled:
		return t.cancel(m, message)
	case m.Kind != jsonrpc.Request:
		return nil
	case m.Method == jsonrpc.MethodDiscover:
		t.out.Add(jsonrpc.ResultResponse(m.RawID, discovered(*t.server)))
		return nil
	}
	var params modernParams
	if m.At.Params != (jsonrpc.Span{}) {
		if err := json.Unmarshal(m.At.Params.Of(message), &params); err != nil {
			t.out.Add(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeInvalidParams, "the params are not what this version of the protocol defines"))
			return nil
		}
	}
	switch {
	case m.Method == jsonrpc.MethodListen:
		return t.listen(m, params.Notifications)
	case params.RequestState != nil:
		return t.resume(user, m, message, params)
	}
	return t.pass(user, m, message)
}

// say puts a response to another request out as the one to this.
func (t *Modern) say(response, rawID []byte) error {
	m, err := jsonrpc.ParseLenient(response)
	if err != nil {
		return err
	}
	t.out.Add(jsonrpc.Rewrite(response, jsonrpc.Edit{At: m.At.ID, With: rawID}))
	return nil
}

// pass hands a request to the server, without what only the modern era has in
// _meta: servers of both eras that were told to speak one go by it.
func (t *Modern) pass(user string, m jsonrpc.Message, message []byte) error {
	t.mu.Lock()
	t.calls[m.ID] = &call{user: user, method: m.Method, server: m.ID, client: m.ID, digest: digest(m, message)}
	var level []byte
	if m.LogLevel != "" && m.LogLevel != t.level && t.server.has("logging", "") {
		t.level = m.LogLevel
		quoted, _ := jsontext.AppendQuote(nil, m.LogLevel)
		level = t.request("logging/setLevel", append(append([]byte(`{"level":`), quoted...), '}'), func(jsonrpc.Message, []byte) {})
	}
	t.mu.Unlock()
	if level != nil {
		if err := t.child.Send(level); err != nil {
			return err
		}
	}
	return t.child.Send(withoutMeta(m, message))
}

// withoutMeta is the request without the modern era's own _meta.
func withoutMeta(m jsonrpc.Message, message []byte) []byte {
	var params, meta map[string]jsontext.Value
	if m.MetaVersion == "" || json.Unmarshal(m.At.Params.Of(message), &params) != nil || json.Unmarshal(params["_meta"], &meta) != nil {
		return message
	}
	for name := range meta {
		if strings.HasPrefix(name, "io.modelcontextprotocol/") {
			delete(meta, name)
		}
	}
	delete(params, "_meta")
	if len(meta) > 0 {
		// What was parsed before can be written.
		params["_meta"], _ = json.Marshal(meta, json.Deterministic(true))
	}
	text, err := json.Marshal(params, json.Deterministic(true))
	if err != nil {
		return message
	}
	return jsonrpc.Rewrite(message, jsonrpc.Edit{At: m.At.Params, With: text})
}

// cancel ends a request whose client has gone.
func (t *Modern) cancel(m jsonrpc.Message, message []byte) error {
	t.mu.Lock()
	if l := t.listens[m.RequestID]; l != nil {
		delete(t.listens, m.RequestID)
		unwatched := t.unwatch(l)
		t.mu.Unlock()
		for _, request := range unwatched {
			if err := t.child.Send(request); err != nil {
				return err
			}
		}
		return nil
	}
	var found *call
	for _, c := range t.calls {
		if c.client == m.RequestID {
			found = c
			delete(t.calls, c.server)
		}
	}
	t.mu.Unlock()
	if found == nil {
		return nil
	}
	return t.child.Send(jsonrpc.Rewrite(message, jsonrpc.Edit{At: m.At.RequestID, With: []byte(found.server)}))
}

// digest identifies what a request is for, apart from _meta and what a retry
// adds: a call can only be gone on with by the same request.
func digest(m jsonrpc.Message, message []byte) string {
	var params map[string]jsontext.Value
	if m.At.Params != (jsonrpc.Span{}) && json.Unmarshal(m.At.Params.Of(message), &params) != nil {
		return m.Method
	}
	for _, name := range []string{"_meta", "inputResponses", "requestState"} {
		delete(params, name)
	}
	text, err := json.Marshal(params, json.Deterministic(true))
	if err != nil {
		return m.Method
	}
	value := jsontext.Value(text)
	if value.Canonicalize() != nil {
		return m.Method
	}
	return m.Method + " " + string(value)
}
