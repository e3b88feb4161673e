package translate

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// maxRounds bounds how often a server may ask for input in one call.
const maxRounds = 10

// passed is a request of the client that the server works on.
type passed struct {
	rawID  []byte // as the client and the session know it
	method string
	params map[string]jsontext.Value
	server []byte // the id that the server knows now
	rounds int
	// cancelled says that the client wants no answer any more.
	cancelled bool
}

// round are the questions of one answer that asks for input.
type round struct {
	call    *passed
	state   jsontext.Value
	answers map[string]jsontext.Value
	open    int
}

// input is one question to the client.
type input struct {
	round *round
	key   string
}

// required is a result that asks for input.
type required struct {
	Type     string `json:"resultType"`
	Requests map[string]struct {
		Method string         `json:"method"`
		Params jsontext.Value `json:"params"`
	} `json:"inputRequests"`
	State jsontext.Value `json:"requestState"`
}

// answer passes the server's response on, or asks the client what the server
// wants to know.
func (t *Legacy) answer(m jsonrpc.Message, line []byte) {
	t.mu.Lock()
	then := t.answered(m.ID)
	c := t.calls[m.ID]
	delete(t.calls, m.ID)
	t.mu.Unlock()
	switch {
	case then != nil:
		then(m, line)
	case c != nil:
		t.finish(c, m, line)
	}
}

// finish is answer for a call.
func (t *Legacy) finish(c *passed, m jsonrpc.Message, line []byte) {
	t.mu.Lock()
	cancelled := c.cancelled
	t.mu.Unlock()
	if cancelled {
		return
	}
	var need required
	if m.Failed || json.Unmarshal(m.At.Result.Of(line), &need, lenient()) != nil || need.Type != "input_required" {
		t.conclude(c, jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.ID, With: c.rawID}))
		return
	}
	if c.rounds++; c.rounds > maxRounds {
		t.conclude(c, jsonrpc.ErrorResponse(c.rawID, jsonrpc.CodeInternal, fmt.Sprintf("the server asked for input more than %d times", maxRounds)))
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &round{call: c, state: need.State, answers: make(map[string]jsontext.Value), open: len(need.Requests)}
	if r.open == 0 {
		// It only wants to be asked again.
		t.send(t.retry(r))
		return
	}
	for key, request := range need.Requests {
		rawID, id := t.ownID()
		t.asked[id] = &input{r, key}
		t.out.Add(jsonrpc.Call(rawID, request.Method, request.Params))
	}
}

// retry is the call with the client's answers. t.mu is held.
func (t *Legacy) retry(r *round) []byte {
	c := r.call
	params := map[string]jsontext.Value{}
	for name, value := range c.params {
		params[name] = value
	}
	if r.state != nil {
		params["requestState"] = r.state
	}
	if len(r.answers) > 0 {
		// What was parsed before can be written.
		params["inputResponses"], _ = json.Marshal(r.answers, json.Deterministic(true))
	}
	line, rawID := t.request(c.method, params, func(m jsonrpc.Message, line []byte) { t.finish(c, m, line) })
	c.server = rawID
	return line
}

// conclude answers the client's request.
func (t *Legacy) conclude(c *passed, line []byte) {
	t.mu.Lock()
	delete(t.open, string(c.rawID))
	t.mu.Unlock()
	t.out.AddSlowly(line)
}

// cancel passes a cancellation on, with the id that the server knows.
func (t *Legacy) cancel(m jsonrpc.Message, message []byte) error {
	t.mu.Lock()
	rawID := string(m.At.RequestID.Of(message))
	c := t.open[rawID]
	delete(t.open, rawID)
	if c == nil {
		t.mu.Unlock()
		return nil
	}
	c.cancelled = true
	server := c.server
	t.mu.Unlock()
	return t.child.Send(jsonrpc.Rewrite(message, jsonrpc.Edit{At: m.At.RequestID, With: server}))
}

// input takes the client's answer to a question.
func (t *Legacy) input(m jsonrpc.Message, message []byte) error {
	t.mu.Lock()
	q := t.asked[m.ID]
	delete(t.asked, m.ID)
	if q == nil || q.round.open < 0 {
		t.mu.Unlock()
		return nil
	}
	if m.Failed {
		// There is no way to tell the server, so the call ends with it.
		q.round.open = -1
		t.mu.Unlock()
		t.conclude(q.round.call, jsonrpc.ErrorResponse(q.round.call.rawID, jsonrpc.CodeInternal, "the client could not answer the server's question: "+m.ErrorMessage))
		return nil
	}
	q.round.answers[q.key] = append(jsontext.Value(nil), m.At.Result.Of(message)...)
	q.round.open--
	var line []byte
	if q.round.open == 0 {
		line = t.retry(q.round)
	}
	t.mu.Unlock()
	if line == nil {
		return nil
	}
	return t.child.Send(line)
}

// listen asks the server to tell of changes of its lists, which servers of the
// legacy era do unasked.
func (t *Legacy) listen() error {
	t.mu.Lock()
	if len(t.listens) == 0 {
		t.mu.Unlock()
		return nil
	}
	want := map[string]bool{}
	for _, list := range t.listens {
		want[list+"ListChanged"] = true
	}
	notifications, err := json.Marshal(want, json.Deterministic(true))
	if err != nil {
		t.mu.Unlock()
		return err
	}
	line, _ := t.request(jsonrpc.MethodListen, map[string]jsontext.Value{"notifications": notifications}, func(jsonrpc.Message, []byte) {})
	t.mu.Unlock()
	return t.child.Send(line)
}

// watch begins or ends a subscription to a resource.
func (t *Legacy) watch(begin bool, uri string) error {
	t.mu.Lock()
	id := t.watching[uri]
	var line []byte
	switch {
	case begin && id == nil:
		quoted, _ := jsontext.AppendQuote(nil, uri)
		params := map[string]jsontext.Value{"notifications": jsontext.Value(`{"resourceSubscriptions":[` + string(quoted) + `]}`)}
		line, t.watching[uri] = t.request(jsonrpc.MethodListen, params, func(jsonrpc.Message, []byte) {})
	case !begin && id != nil:
		delete(t.watching, uri)
		line = jsonrpc.Call(nil, jsonrpc.MethodCancelled, []byte(`{"requestId":`+string(id)+`,"reason":"unsubscribed"}`))
	}
	t.mu.Unlock()
	if line == nil {
		return nil
	}
	return t.child.Send(line)
}

// notify passes a notification on, without what says which subscription it is
// of.
func (t *Legacy) notify(m jsonrpc.Message, line []byte) {
	if m.Method == "notifications/subscriptions/acknowledged" || m.Method == jsonrpc.MethodCancelled {
		return
	}
	if m.SubscriptionID != "" {
		var params map[string]jsontext.Value
		if json.Unmarshal(m.At.Params.Of(line), &params, lenient()) != nil {
			return
		}
		delete(params, "_meta")
		without, err := json.Marshal(params, json.Deterministic(true), lenient())
		if err != nil {
			return
		}
		line = jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.Params, With: without})
	}
	t.out.AddSlowly(line)
}
