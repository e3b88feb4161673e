package mcphttp

import (
	"strings"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// receive puts one message of the server on the stream that it belongs to.
func (s *session) receive(line []byte, cut bool) {
	if cut {
		s.receiveCut(line)
		return
	}
	line = jsonrpc.OneLine(line)
	m, err := jsonrpc.ParseLenient(line)
	if err != nil {
		s.log().Warn("server wrote no JSON-RPC message", "error", err, "bytes", len(line))
		return
	}
	if m.Kind == jsonrpc.Response {
		s.answer(m, line)
		return
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	to := s.target(m)
	if m.Kind == jsonrpc.Request {
		if len(s.asked) >= maxAsked {
			clear(s.asked)
		}
		s.asked[m.ID] = to
	}
	s.mu.Unlock()
	if lost := to.append(line, false); lost > 0 {
		s.log().Warn("messages to the client dropped: no connection carries them", "messages", lost)
	}
}

// receiveCut answers for a message that was too long to pass, where its
// beginning says which request it belongs to.
func (s *session) receiveCut(prefix []byte) {
	rawID, kind := jsonrpc.PartialID(prefix)
	s.log().Warn("server wrote a message that is too long", "read_bytes", len(prefix), "answered", kind == jsonrpc.Response)
	if kind != jsonrpc.Response {
		return
	}
	reply := jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, "the server's answer is too long to be passed on")
	if m, err := jsonrpc.ParseLenient(reply); err == nil {
		s.answer(m, reply)
	}
}

// answer completes the call that the response is for. A response to none is
// dropped: its call was cancelled, or never was.
func (s *session) answer(m jsonrpc.Message, line []byte) {
	s.mu.Lock()
	c := s.passed[m.ID]
	if c == nil || !s.take(c) {
		s.mu.Unlock()
		return
	}
	birth := !s.ready && c.msg.Method == jsonrpc.MethodInitialize
	if birth && !m.Failed {
		s.ready, s.version = true, m.ProtocolVersion
	}
	s.mu.Unlock()
	if !m.Failed {
		s.note(c)
	}

	c.code = m.ErrorCode
	s.h.metrics.heard(c, m, line)
	if birth && !m.Failed {
		if !c.own() {
			s.h.metrics.session("started")
		}
		s.h.cfg.Born(true)
	}
	c.stream.append(jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.ID, With: c.msg.RawID}), true)
	s.completed(c)
	if birth && m.Failed && !c.own() {
		s.end(endRefused)
	}
}

// target finds the stream of a notification or request of the server. s.mu is
// held.
//
// On stdio nothing says which request a message belongs to, except for progress.
// What is about the session as a whole goes to the session's own stream. The
// rest (log lines, sampling, elicitation, roots) is most likely about what the
// server works on now: when that is one request, it goes there. When it is
// several, the session's own stream is the choice that cannot be wrong, and
// without a connection for that the newest request, so that it arrives at all.
func (s *session) target(m jsonrpc.Message) *stream {
	switch {
	case m.Method == jsonrpc.MethodProgress:
		for _, c := range s.order {
			if m.ProgressToken != "" && c.msg.ProgressToken == m.ProgressToken {
				return c.stream
			}
		}
		// Progress of a task goes on after the request that began it.
		return s.general
	case m.Method == jsonrpc.MethodCancelled:
		if st := s.asked[m.RequestID]; st != nil {
			delete(s.asked, m.RequestID)
			return st
		}
		return s.general
	case m.Kind == jsonrpc.Notification && isAboutSession(m.Method):
		return s.general
	}
	var carried []*stream
	for _, c := range s.order {
		if c.stream.attached() {
			carried = append(carried, c.stream)
		}
	}
	switch {
	case len(carried) == 0, len(carried) > 1 && s.general.attached():
		return s.general
	default:
		return carried[len(carried)-1]
	}
}

// isAboutSession reports whether a notification is about no request.
func isAboutSession(method string) bool {
	switch method {
	case "notifications/resources/updated", "notifications/elicitation/complete", "notifications/tasks/status":
		return true
	}
	return strings.HasSuffix(method, "/list_changed")
}
