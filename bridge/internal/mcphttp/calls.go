package mcphttp

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// cancelGrace is how long a cancelled request may still be answered.
const cancelGrace = 5 * time.Second

// begin makes a call of the client's request, and returns the line for the
// server.
func (s *session) begin(m jsonrpc.Message, line []byte, parent tracing.Span) (*call, []byte, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return nil, nil, sessionGone()
	case s.pending[m.ID] != nil:
		return nil, nil, refuse(http.StatusBadRequest, "a request with this id is in flight already")
	case len(s.pending) >= s.h.cfg.MaxInFlight:
		f := refuse(http.StatusTooManyRequests, "too many requests of this session are in flight").with("Retry-After", "1")
		return nil, nil, s.h.metrics.refused(limitRequests, f)
	}
	s.asks++
	id, rawID := jsonrpc.Number(s.asks)
	c := &call{msg: m, id: id, started: time.Now(), stream: newStream(s.h.streamName(m.RawID), s.h.cfg.BufferBytes)}
	if s.h.cfg.Recovery != nil {
		c.set = setting(m, line)
	}
	s.pending[m.ID], s.passed[id] = c, c
	s.order = append(s.order, c)
	s.streams[c.stream.id] = c.stream
	return c, jsonrpc.Rewrite(line, append(s.h.passedOn(c, parent, line), jsonrpc.Edit{At: m.At.ID, With: rawID})...), nil
}

// take removes the call, if it is still pending. s.mu is held.
func (s *session) take(c *call) bool {
	if s.pending[c.msg.ID] != c {
		return false
	}
	delete(s.pending, c.msg.ID)
	delete(s.passed, c.id)
	s.order = slices.DeleteFunc(s.order, func(other *call) bool { return other == c })
	return true
}

// withdraw removes a call that never reached the server, and reports whether it
// had no answer until then.
func (s *session) withdraw(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, c.stream.id)
	taken := s.take(c)
	if taken {
		c.over("", outcomeUnsent)
	}
	return taken
}

// keep notes that the client has seen an event of the call's stream, so that it
// can come back for the rest.
func (s *session) keep(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.streamed = true
	if s.pending[c.msg.ID] != c {
		s.retire(c)
	}
}

// completed notes that the call's stream has its last message.
func (s *session) completed(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.streamed {
		s.retire(c)
	} else {
		delete(s.streams, c.stream.id)
	}
}

// retire keeps a complete stream for a while. s.mu is held.
func (s *session) retire(c *call) {
	if s.ended || c.retired {
		return
	}
	c.retired = true
	s.streams[c.stream.id] = c.stream
	s.finished = append(s.finished, finished{c.stream, time.Now()})
	size := 0
	for _, f := range s.finished {
		size += f.stream.bytes()
	}
	for len(s.finished) > 1 && (size > keepFinishedBytes || len(s.finished) > keepFinishedCount) {
		size -= s.finished[0].stream.bytes()
		s.dropFinished()
	}
}

// heard notes what a notification or response from the client means for what
// is in flight, and returns the line for the server; nil when it is not for it.
func (s *session) heard(m jsonrpc.Message, line []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.Kind == jsonrpc.Response:
		delete(s.asked, m.ID)
	case m.Method == jsonrpc.MethodCancelled && m.RequestID != "":
		c := s.pending[m.RequestID]
		if c == nil {
			// It was answered meanwhile. The server may have given the number to
			// another request.
			return nil
		}
		if c.msg.Method != jsonrpc.MethodInitialize {
			// The server should not answer any more, so the stream is ended for
			// it, or it would stay open for ever.
			time.AfterFunc(cancelGrace, func() { s.abandon(c) })
		}
		return jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.RequestID, With: []byte(c.id)})
	}
	return line
}

func (s *session) abandon(c *call) {
	s.mu.Lock()
	taken := s.take(c)
	s.mu.Unlock()
	if taken {
		s.h.metrics.answered(c, tools.Cancelled)
		c.stream.finish()
		s.completed(c)
	}
}

// streamID returns an id that no other stream of this handler has. It need not
// be secret: streams are found within their session only.
func (h *Handler) streamID() string {
	return h.begun + strconv.FormatUint(h.streams.Add(1), 36)
}
