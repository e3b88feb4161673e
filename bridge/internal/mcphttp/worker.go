package mcphttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// serve passes a request on and answers with what comes back.
func (wk *worker) serve(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, line []byte) *refusal {
	c, line, ref := wk.begin(m, line, about.Span(r))
	if ref != nil {
		return ref
	}
	rd := c.stream.attach(0, false)
	defer wk.cancel(c, "the client has gone")
	defer c.stream.detach(rd)
	if err := wk.send(r.Header.Get(launch.HeaderPrincipal), line); err != nil && wk.take(c) {
		c.over("", outcomeUnsent)
		return wk.unsent()
	}
	patience := time.NewTimer(wk.h.cfg.PatienceJSON)
	defer patience.Stop()
	select {
	case <-rd.wake:
	case <-patience.C:
	case <-r.Context().Done():
		return nil
	}
	if events, done := c.stream.unread(rd); done && len(events) == 1 {
		answer, err := jsonrpc.ParseLenient(events[0].data)
		if err != nil {
			return refuse(http.StatusBadGateway, "the server's answer cannot be passed on")
		}
		writeJSON(w, statusOf(answer), events[0].data)
		return nil
	}
	wk.h.relay(w, r, c.stream, rd)
	return nil
}

// send hands a user's message to the server. A server that is translated learns
// whose it is, since what it asks is for that user alone.
func (wk *worker) send(user string, line []byte) error {
	if child, ok := wk.child.(interface {
		SendFor(user string, message []byte) error
	}); ok {
		return child.SendFor(user, line)
	}
	return wk.child.Send(line)
}

// unsent answers for a request that the server did not take.
func (wk *worker) unsent() *refusal {
	return busy(1, "the MCP server does not take messages")
}

// errLost: the worker ended before it answered.
var errLost = errors.New("the server's process has ended")

// ask is a request of the bridge's own.
func (wk *worker) ask(ctx context.Context, method string, params []byte) ([]byte, jsonrpc.Message, error) {
	text := jsonrpc.Call([]byte("0"), method, params)
	m, err := jsonrpc.Parse(text)
	if err != nil {
		return nil, m, err
	}
	c, text, ref := wk.begin(m, text, tracing.Span{})
	if ref != nil {
		return nil, m, errors.New(ref.message)
	}
	rd := c.stream.attach(0, false)
	defer wk.cancel(c, "nobody waits for it any more")
	defer c.stream.detach(rd)
	if err := wk.child.Send(text); err != nil {
		return nil, m, err
	}
	for {
		events, done := c.stream.unread(rd)
		switch {
		case done && len(events) == 0:
			return nil, m, errLost
		case done:
			answer := events[len(events)-1].data
			m, err := jsonrpc.ParseLenient(answer)
			return answer, m, err
		case len(events) > 0:
			c.stream.written(rd, events[len(events)-1].number)
		}
		select {
		case <-rd.wake:
		case <-ctx.Done():
			return nil, m, ctx.Err()
		}
	}
}

// run hands the server's messages to their calls until its process has ended.
func (wk *worker) run() {
	for {
		line, cut, err := wk.child.Receive()
		if err != nil {
			break
		}
		wk.receive(line, cut)
	}
	how, first := wk.child.Ending()
	if wk.end("the MCP server's process " + how + " while it worked on this request, which may or may not have taken effect") {
		wk.log().Warn("server process ended by itself", "how", how, "age", time.Since(wk.born).Round(time.Millisecond).String())
		if first && !wk.answered {
			wk.h.cfg.Born(false)
		}
	}
	wk.h.dropWorker(wk)
}

// receive puts one message of the server on the stream that it belongs to.
func (wk *worker) receive(line []byte, cut bool) {
	if cut {
		rawID, kind := jsonrpc.PartialID(line)
		wk.log().Warn("server wrote a message that is too long", "read_bytes", len(line))
		if kind != jsonrpc.Response {
			return
		}
		line = jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, "the server's answer is too long to be passed on")
	}
	line = jsonrpc.OneLine(line)
	m, err := jsonrpc.ParseLenient(line)
	if err != nil {
		wk.log().Warn("server wrote no JSON-RPC message", "error", err, "bytes", len(line))
		return
	}
	switch m.Kind {
	case jsonrpc.Response:
		wk.answer(m, line)
	case jsonrpc.Request:
		// Not allowed in this era; without an answer the server would wait.
		wk.h.wg.Go(func() {
			_ = wk.child.Send(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeNoMethod, "servers ask nothing by request in this version of the protocol"))
		})
	default:
		wk.notify(m, line)
	}
}

// answer completes the call that the response is for.
func (wk *worker) answer(m jsonrpc.Message, line []byte) {
	wk.mu.Lock()
	c := wk.calls[m.ID]
	delete(wk.calls, m.ID)
	first := !wk.answered
	wk.answered = true
	wk.mu.Unlock()
	if first {
		wk.h.cfg.Born(true)
	}
	if c == nil {
		return
	}
	c.code = m.ErrorCode
	wk.h.metrics.heard(c, m, line)
	if c.msg.Method == jsonrpc.MethodToolsList && !m.Failed {
		wk.tools.learn(m.At.Result.Of(line))
	}
	edits := []jsonrpc.Edit{{At: m.At.ID, With: c.msg.RawID}}
	if m.SubscriptionID == c.id {
		edits = append(edits, jsonrpc.Edit{At: m.At.SubscriptionID, With: c.msg.RawID})
	}
	c.stream.append(jsonrpc.Rewrite(line, edits...), true)
}

// notify puts a notification on the stream of the request that it belongs to.
// Without one it is dropped: shown to the wrong client it would tell one user
// what another does.
func (wk *worker) notify(m jsonrpc.Message, line []byte) {
	if m.Method == "notifications/tools/list_changed" {
		wk.tools.forget()
	}
	c, edits := wk.target(m)
	if c == nil {
		wk.h.metrics.unattributed.Inc()
		wk.log().Debug("notification dropped: it belongs to no request", "method", m.Method)
		return
	}
	if m.Method == jsonrpc.MethodCancelled {
		// So a server ends a subscription.
		if wk.take(c) {
			c.stream.finish()
		}
		return
	}
	if !c.stream.offer(jsonrpc.Rewrite(line, edits...)) {
		wk.cancel(c, "the client reads too slowly")
		c.stream.append(jsonrpc.ErrorResponse(c.msg.RawID, jsonrpc.CodeInternal, "the client reads too slowly"), true)
	}
}

// target finds the call that a notification belongs to, and what is to be
// changed in it for the client.
func (wk *worker) target(m jsonrpc.Message) (*call, []jsonrpc.Edit) {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	switch {
	case m.SubscriptionID != "":
		if c := wk.calls[m.SubscriptionID]; c != nil {
			return c, []jsonrpc.Edit{{At: m.At.SubscriptionID, With: c.msg.RawID}}
		}
		return nil, nil
	case m.Method == jsonrpc.MethodProgress:
		if c := wk.calls[m.ProgressToken]; c != nil && len(c.token) > 0 {
			return c, []jsonrpc.Edit{{At: m.At.ProgressToken, With: c.token}}
		}
		return nil, nil
	case m.Method == jsonrpc.MethodCancelled:
		return wk.calls[m.RequestID], nil
	}
	// Nothing on stdio says which request a log message is about.
	var only *call
	for _, c := range wk.calls {
		if c.msg.Method == jsonrpc.MethodListen || m.Method == jsonrpc.MethodMessage && c.msg.LogLevel == "" {
			continue
		}
		if only != nil {
			return nil, nil
		}
		only = c
	}
	if m.Method == jsonrpc.MethodMessage && only != nil && len(wk.calls) > 1 && wk.h.cfg.Shared {
		// A request that asked for no log messages may still cause some.
		for _, c := range wk.calls {
			if c != only && c.msg.Method != jsonrpc.MethodListen {
				return nil, nil
			}
		}
	}
	return only, nil
}
