package shared

import (
	"sync"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/queue"
)

// Part is one session's part in a shared process. To the session it is a process
// of its own.
type Part struct {
	p     *process
	queue *queue.Queue
	left  sync.Once
	// over: the process had ended when the session left it, or ended with that.
	// Written once, by left.
	over bool

	// Guarded by the process's mu: the resources that it wants to know of.
	subscribed map[string]bool
}

// Send passes a message of the session on, or answers it here.
func (s *Part) Send(message []byte) error {
	// It was judged when it came from the client.
	m, err := jsonrpc.ParseLenient(message)
	if err != nil {
		return err
	}
	switch {
	case m.Kind == jsonrpc.Request && m.Method == "ping":
		s.deliver(jsonrpc.ResultResponse(m.RawID, []byte("{}")))
		return nil
	case m.Kind == jsonrpc.Request && m.Method == jsonrpc.MethodInitialize:
		return s.greet(m)
	case m.Kind == jsonrpc.Request:
		return s.request(m, message)
	case m.Method == jsonrpc.MethodCancelled:
		return s.cancel(m, message)
	}
	// Everything else is about this session only, of which the process knows
	// nothing.
	return nil
}

// greet answers initialize, now or when the process is ready.
func (s *Part) greet(m jsonrpc.Message) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	switch {
	case s.p.ended:
		return errEnded
	case s.p.result == nil && s.p.refusal == nil:
		s.p.waiting = append(s.p.waiting, &call{part: s, id: m.RawID})
	default:
		s.deliver(s.p.greeting(m.RawID))
	}
	return nil
}

func (s *Part) request(m jsonrpc.Message, message []byte) error {
	p := s.p
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return errEnded
	}
	switch m.Method {
	case "resources/subscribe":
		s.subscribed[uriOf(m, message)] = true
	case "resources/unsubscribe":
		uri := uriOf(m, message)
		delete(s.subscribed, uri)
		for other := range p.parts {
			if other.subscribed[uri] {
				// Another session still wants to know.
				p.mu.Unlock()
				s.deliver(jsonrpc.ResultResponse(m.RawID, []byte("{}")))
				return nil
			}
		}
	}
	p.asks++
	id, rawID := jsonrpc.Number(p.asks)
	p.calls[id] = &call{part: s, id: m.RawID, token: m.At.ProgressToken.Of(message), key: m.ID}
	p.mu.Unlock()
	err := p.child.Send(jsonrpc.Rewrite(message,
		jsonrpc.Edit{At: m.At.ID, With: rawID}, jsonrpc.Edit{At: m.At.ProgressToken, With: rawID}))
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.calls, id)
	}
	return err
}

// cancel passes a cancellation on with the id that the process knows.
func (s *Part) cancel(m jsonrpc.Message, message []byte) error {
	s.p.mu.Lock()
	var found jsonrpc.ID
	for id, c := range s.p.calls {
		if c.part == s && c.key == m.RequestID {
			found = id
		}
	}
	s.p.mu.Unlock()
	if found == "" {
		return nil
	}
	return s.p.child.Send(jsonrpc.Rewrite(message, jsonrpc.Edit{At: m.At.RequestID, With: []byte(found)}))
}

// deliver gives the session a message. A session that does not read loses its
// part, so that others go on.
func (s *Part) deliver(message []byte) {
	if !s.queue.Offer(message) {
		s.p.log.Warn("ending a session that does not read")
	}
}

// Receive returns the next message for the session.
func (s *Part) Receive() (message []byte, cut bool, err error) {
	message, ok := s.queue.Next()
	if !ok {
		s.Stop()
		return nil, false, errEnded
	}
	return message, false, nil
}

// Stop leaves the process, which ends when the last one has left.
func (s *Part) Stop() {
	s.left.Do(func() {
		s.queue.Close()
		p := s.p
		p.mu.Lock()
		delete(p.parts, s)
		last := len(p.parts) == 0
		s.over = last || p.gone
		p.ended = p.ended || last
		var open []jsonrpc.ID
		for id, c := range p.calls {
			if c.part == s {
				open = append(open, id)
				delete(p.calls, id)
			}
		}
		p.mu.Unlock()
		if last {
			p.child.Stop()
			return
		}
		for _, id := range open {
			// An error means that the process is about to end.
			_ = p.child.Send(jsonrpc.Call(nil, jsonrpc.MethodCancelled, []byte(`{"requestId":`+string(id)+`,"reason":"the client has gone"}`)))
		}
	})
}

// Ending says how the process ended, as far as this session is concerned. Of
// those that a process leaves behind, the first to ask is told so.
func (s *Part) Ending() (how string, first bool) {
	if !s.over {
		return "was left", true
	}
	<-s.p.done
	how, _ = s.p.child.Ending()
	return how, s.p.told.CompareAndSwap(false, true)
}
