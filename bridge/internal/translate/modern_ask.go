package translate

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// call is a request that the server works on. While its client is asked
// something it is parked: the server goes on waiting, and the client comes back
// with another request.
type call struct {
	user   string
	method string
	server jsonrpc.ID // the id that the server knows
	client jsonrpc.ID // the id of the client's request, empty while it is parked
	digest string

	questions []question
	name      string // while it is parked
	timeout   *time.Timer
	answer    []byte // what the server answered while it was parked
	again     bool   // the server has given up, and is to be asked anew
}

// question is a request of the server that waits for the client.
type question struct {
	key    string
	rawID  []byte // nil where the server does not wait for the answer
	method string
	params jsontext.Value
}

// answer passes the server's response on.
func (t *Modern) answer(m jsonrpc.Message, line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls[m.ID]
	if c == nil {
		return
	}
	delete(t.calls, m.ID)
	switch {
	case m.Failed && m.ErrorCode == codeURL && t.askURL(c, m, line):
		return
	case m.Failed && m.ErrorCode == codeNotFound:
		line = jsonrpc.ErrorResponse([]byte(c.server), jsonrpc.CodeInvalidParams, m.ErrorMessage)
	case !m.Failed:
		line = jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.Result, With: complete(m.At.Result.Of(line), c.method, t.server.ServerInfo)})
	}
	if c.client == "" {
		c.answer = line
		return
	}
	if err := t.say(line, []byte(c.client)); err != nil {
		t.opts.Log.Warn("an answer could not be translated", "error", err)
	}
}

// asked takes a question of the server.
func (t *Modern) asked(m jsonrpc.Message, line []byte) {
	if m.Method == "ping" {
		t.send(jsonrpc.ResultResponse(m.RawID, []byte("{}")))
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.askable()
	if c == nil || !slices.Contains([]string{"elicitation/create", "sampling/createMessage", "roots/list"}, m.Method) {
		t.send(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeNoMethod, "the client cannot be asked this now"))
		return
	}
	q := question{key: rand.Text()[:8], rawID: slices.Clone(m.RawID), method: m.Method, params: jsontext.Value("{}")}
	if m.At.Params != (jsonrpc.Span{}) {
		q.params = slices.Clone(m.At.Params.Of(line))
	}
	c.questions = append(c.questions, q)
	if c.client != "" {
		t.park(c)
	}
}

// askable is the call that a question of the server is about. Nothing says
// which: it is the newest, and with users that share the server only one that is
// alone. t.mu is held.
func (t *Modern) askable() *call {
	var newest *call
	for _, c := range t.calls {
		switch c.method {
		case jsonrpc.MethodToolsCall, "prompts/get", "resources/read":
		default:
			continue
		}
		if newest != nil && t.opts.Shared {
			return nil
		}
		if newest == nil || newer(c.server, newest.server) {
			newest = c
		}
	}
	return newest
}

// newer compares ids that are whole numbers.
func newer(a, b jsonrpc.ID) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// askURL makes the error by which a server sends the user to a URL a question.
// t.mu is held.
func (t *Modern) askURL(c *call, m jsonrpc.Message, line []byte) bool {
	var response struct {
		Error struct {
			Data struct {
				Elicitations []map[string]jsontext.Value `json:"elicitations"`
			} `json:"data"`
		} `json:"error"`
	}
	if json.Unmarshal(line, &response, lenient()) != nil || len(response.Error.Data.Elicitations) == 0 || c.client == "" {
		return false
	}
	for _, elicitation := range response.Error.Data.Elicitations {
		delete(elicitation, "elicitationId")
		elicitation["mode"] = jsontext.Value(`"url"`)
		params, err := json.Marshal(elicitation, json.Deterministic(true), lenient())
		if err != nil {
			return false
		}
		c.questions = append(c.questions, question{key: rand.Text()[:8], method: "elicitation/create", params: params})
	}
	c.again = true
	t.park(c)
	return true
}

// park answers the client's request with the questions. t.mu is held.
func (t *Modern) park(c *call) {
	requests := make(map[string]any)
	for _, q := range c.questions {
		requests[q.key] = map[string]any{"method": q.method, "params": q.params}
	}
	// A name for each time that it waits, so that a state is of use once.
	c.name = rand.Text()
	state := t.opts.States.seal(place{Bridge: t.opts.States.bridge, Process: t.process, Call: c.name, User: c.user})
	result, err := json.Marshal(map[string]any{
		"resultType": "input_required", "inputRequests": requests, "requestState": state,
	}, json.Deterministic(true), lenient())
	if err != nil {
		t.opts.Log.Warn("a question could not be translated", "error", err)
		return
	}
	t.out.Add(jsonrpc.ResultResponse([]byte(c.client), result))
	c.client = ""
	t.parked[c.name] = c
	c.timeout = time.AfterFunc(t.opts.ParkTimeout, func() { t.giveUp(c) })
}

// giveUp ends a call whose client did not come back.
func (t *Modern) giveUp(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parked[c.name] != c {
		return
	}
	delete(t.parked, c.name)
	if t.calls[c.server] == c {
		delete(t.calls, c.server)
		t.send(jsonrpc.Call(nil, jsonrpc.MethodCancelled, []byte(`{"requestId":`+string(c.server)+`,"reason":"the client did not answer"}`)))
	}
	for _, q := range c.questions {
		if q.rawID != nil {
			t.send(jsonrpc.ErrorResponse(q.rawID, jsonrpc.CodeInternal, "the client did not answer in time"))
		}
	}
}

func (t *Modern) forgetParked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.parked {
		c.timeout.Stop()
	}
	clear(t.parked)
}

// resume goes on with a call for whose questions the client has the answers.
func (t *Modern) resume(user string, m jsonrpc.Message, message []byte, params modernParams) error {
	t.mu.Lock()
	c, err := t.waiting(user, m, message, *params.RequestState)
	if err != nil {
		t.mu.Unlock()
		t.out.Add(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeInvalidParams, err.Error()))
		return nil
	}
	delete(t.parked, c.name)
	c.timeout.Stop()
	c.client = m.ID
	var replies [][]byte
	c.questions = slices.DeleteFunc(c.questions, func(q question) bool {
		given, ok := params.InputResponses[q.key]
		if ok && q.rawID != nil {
			replies = append(replies, jsonrpc.ResultResponse(q.rawID, given))
		}
		return ok
	})
	switch {
	case c.answer != nil:
		defer t.mu.Unlock()
		return t.say(c.answer, m.RawID)
	case len(c.questions) > 0:
		// Some are still open, or came while the client was busy with others.
		t.park(c)
	case c.again:
		t.mu.Unlock()
		return t.pass(user, m, withoutRetry(m, message))
	}
	t.mu.Unlock()
	for _, reply := range replies {
		if err := t.child.Send(reply); err != nil {
			return err
		}
	}
	return nil
}

// waiting is the call that waits for this request. t.mu is held.
func (t *Modern) waiting(user string, m jsonrpc.Message, message []byte, state string) (*call, error) {
	name, err := t.opts.States.open(state, user, t.process)
	if err != nil {
		return nil, err
	}
	switch c := t.parked[name]; {
	case c == nil:
		return nil, errNotParked
	case c.digest != digest(m, message):
		return nil, errOther
	default:
		return c, nil
	}
}

// withoutRetry is the request without what made it a retry.
func withoutRetry(m jsonrpc.Message, message []byte) []byte {
	var params map[string]jsontext.Value
	if json.Unmarshal(m.At.Params.Of(message), &params) != nil {
		return message
	}
	delete(params, "inputResponses")
	delete(params, "requestState")
	text, err := json.Marshal(params, json.Deterministic(true))
	if err != nil {
		return message
	}
	return jsonrpc.Rewrite(message, jsonrpc.Edit{At: m.At.Params, With: text})
}
