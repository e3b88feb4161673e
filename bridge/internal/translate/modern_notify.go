package translate

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const metaSubscription = "io.modelcontextprotocol/subscriptionId"

// wanted is what a subscription is for.
type wanted struct {
	Tools     bool     `json:"toolsListChanged,omitzero"`
	Prompts   bool     `json:"promptsListChanged,omitzero"`
	Resources bool     `json:"resourcesListChanged,omitzero"`
	URIs      []string `json:"resourceSubscriptions,omitempty"`
}

// listen is an open subscription.
type listen struct {
	rawID  []byte
	wanted wanted
}

// allowed is the part of w that the server can do.
func (w wanted) allowed(server *initialized) wanted {
	allowed := wanted{
		Tools:     w.Tools && server.has("tools", "listChanged"),
		Prompts:   w.Prompts && server.has("prompts", "listChanged"),
		Resources: w.Resources && server.has("resources", "listChanged"),
	}
	if server.has("resources", "subscribe") {
		allowed.URIs = slices.Compact(slices.Sorted(slices.Values(w.URIs)))
	}
	return allowed
}

// listen opens a subscription.
func (t *Modern) listen(m jsonrpc.Message, w wanted) error {
	t.mu.Lock()
	l := &listen{rawID: slices.Clone(m.RawID), wanted: w.allowed(t.server)}
	agreed, err := json.Marshal(l.wanted)
	if err != nil {
		t.mu.Unlock()
		return err
	}
	meta := `"_meta":{"` + metaSubscription + `":` + string(l.rawID) + `}`
	t.out.Add(jsonrpc.Call(nil, "notifications/subscriptions/acknowledged", []byte(`{"notifications":`+string(agreed)+`,`+meta+`}`)))
	if string(agreed) == "{}" {
		t.mu.Unlock()
		t.out.Add(jsonrpc.ResultResponse(m.RawID, []byte(`{"resultType":"complete",`+meta+`}`)))
		return nil
	}
	t.listens[m.ID] = l
	var requests [][]byte
	for _, uri := range l.wanted.URIs {
		if t.watched[uri]++; t.watched[uri] == 1 {
			requests = append(requests, t.watch("resources/subscribe", uri))
		}
	}
	t.mu.Unlock()
	for _, request := range requests {
		if err := t.child.Send(request); err != nil {
			return err
		}
	}
	return nil
}

// watch is a request to begin or end watching a resource. t.mu is held.
func (t *Modern) watch(method, uri string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, uri)
	return t.request(method, append(append([]byte(`{"uri":`), quoted...), '}'), func(m jsonrpc.Message, _ []byte) {
		if m.Failed {
			t.opts.Log.Warn("the server refuses a subscription", "method", method, "code", m.ErrorCode)
		}
	})
}

// unwatch returns the requests that end what only this subscription wanted. t.mu
// is held.
func (t *Modern) unwatch(l *listen) (requests [][]byte) {
	for _, uri := range l.wanted.URIs {
		if t.watched[uri]--; t.watched[uri] == 0 {
			delete(t.watched, uri)
			requests = append(requests, t.watch("resources/unsubscribe", uri))
		}
	}
	return requests
}

// notify translates a notification of the server.
func (t *Modern) notify(m jsonrpc.Message, line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch m.Method {
	case jsonrpc.MethodProgress:
		if c := t.calls[m.ProgressToken]; c != nil && c.client != "" {
			t.out.AddSlowly(jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.ProgressToken, With: []byte(c.client)}))
		}
	case jsonrpc.MethodMessage:
		t.out.AddSlowly(line)
	case jsonrpc.MethodCancelled:
		t.withdraw(m.RequestID)
	case "notifications/tools/list_changed":
		t.publish(m, line, func(w wanted) bool { return w.Tools })
	case "notifications/prompts/list_changed":
		t.publish(m, line, func(w wanted) bool { return w.Prompts })
	case "notifications/resources/list_changed":
		t.publish(m, line, func(w wanted) bool { return w.Resources })
	case "notifications/resources/updated":
		var params struct {
			URI string `json:"uri"`
		}
		if m.At.Params != (jsonrpc.Span{}) && json.Unmarshal(m.At.Params.Of(line), &params, lenient()) == nil {
			t.publish(m, line, func(w wanted) bool { return slices.Contains(w.URIs, params.URI) })
		}
	}
}

// withdraw forgets a question that the server does not want answered any more.
// t.mu is held.
func (t *Modern) withdraw(id jsonrpc.ID) {
	for _, c := range t.calls {
		c.questions = slices.DeleteFunc(c.questions, func(q question) bool {
			m, err := jsonrpc.ParseLenient(jsonrpc.ResultResponse(q.rawID, []byte("{}")))
			return q.rawID != nil && err == nil && m.ID == id
		})
	}
}

// publish hands a notification to every subscription that wants it. t.mu is
// held.
func (t *Modern) publish(m jsonrpc.Message, line []byte, wants func(wanted) bool) {
	params := map[string]jsontext.Value{}
	if m.At.Params != (jsonrpc.Span{}) && json.Unmarshal(m.At.Params.Of(line), &params, lenient()) != nil {
		return
	}
	for _, l := range t.listens {
		if !wants(l.wanted) {
			continue
		}
		params["_meta"] = jsontext.Value(`{"` + metaSubscription + `":` + string(l.rawID) + `}`)
		text, err := json.Marshal(params, json.Deterministic(true), lenient())
		if err != nil {
			return
		}
		t.out.AddSlowly(jsonrpc.Call(nil, m.Method, text))
	}
}
