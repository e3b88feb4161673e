package mcphttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// post serves one message from a client.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	ref := checkAccept(r, typeJSON, typeSSE)
	if ref == nil {
		ref = checkContentType(r)
	}
	var body []byte
	if ref == nil {
		body, ref = h.readBody(w, r)
	}
	if ref != nil {
		h.refused(w, r, jsonrpc.Message{}, ref)
		return
	}
	line := jsonrpc.OneLine(body)
	m, ref := parseMessage(line)
	r, span := h.traced(r, begin, m)
	defer span.End()
	switch {
	case ref != nil:
	case isModern(r, m):
		ref = h.modern(w, r, m, line)
	case m.Kind == jsonrpc.Request && m.Method == jsonrpc.MethodInitialize:
		ref = h.birth(w, r, m, line)
	default:
		ref = h.forward(w, r, m, line)
	}
	if ref != nil {
		h.refused(w, r, m, ref)
	}
}

func parseMessage(body []byte) (jsonrpc.Message, *refusal) {
	m, err := jsonrpc.Parse(body)
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, jsonrpc.ErrBatch):
		return m, refuse(http.StatusBadRequest, err.Error())
	}
	return m, refuse(http.StatusBadRequest, err.Error()).withCode(jsonrpc.CodeParseError)
}

// forward serves a message of a session that is. Where its process has just
// ended, and did not get the message, a new one gets it.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, line []byte) *refusal {
	ref := h.forwardOnce(w, r, m, line)
	if ref != nil && ref.gone && h.cfg.Recovery != nil {
		return h.unlessGone(h.forwardOnce(w, r, m, line))
	}
	return ref
}

func (h *Handler) forwardOnce(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, line []byte) *refusal {
	s, ref := h.find(r)
	if ref != nil {
		return ref
	}
	defer s.enter()()
	if m.Kind == jsonrpc.Request {
		return h.call(w, r, s, m, line)
	}
	if line = s.heard(m, line); line != nil {
		if err := s.child.Send(line); err != nil {
			return s.unsent()
		}
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// birth makes a session with a process of its own, and passes initialize on to
// it. A session id that the client sent is ignored.
func (h *Handler) birth(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, line []byte) *refusal {
	if ref := checkVersion(r, ""); ref != nil {
		return ref
	}
	principal := r.Header.Get(launch.HeaderPrincipal)
	s, _, ref := h.newSession(r, principal, h.mint(principal, m.At.Params.Of(line)), nil)
	if ref != nil {
		return ref
	}
	defer s.enter()()
	w.Header().Set(headerSession, s.id)
	about.Span(r).Set(attributeSession, logging.SessionHash(s.id))
	ref = h.call(w, r, s, m, line)
	if !s.isReady() {
		s.end(endUnborn)
	}
	return ref
}

// newSession makes the session with that id for a request, unless it is there by
// now: then first is false.
func (h *Handler) newSession(r *http.Request, principal, id string, revived chan struct{}) (s *session, first bool, ref *refusal) {
	if why, ok := h.cfg.Admit(); !ok {
		return nil, false, busy(5, why).again()
	}
	h.starting.Lock()
	defer h.starting.Unlock()
	if s, ref := h.reserve(id); s != nil || ref != nil {
		return s, false, ref
	}
	child, err := h.cfg.Start()
	h.mu.Lock()
	h.births--
	running := h.running
	if err == nil {
		s = newSession(h, child, principal, id)
		s.revived = revived
		h.sessions[s.id] = s
	}
	h.mu.Unlock()
	if err != nil {
		h.wg.Done()
		h.log(r, jsonrpc.Message{}).Error("starting a server process", "error", err)
		return nil, false, busy(5, "the MCP server's process could not be started").again()
	}
	go func() {
		defer h.wg.Done()
		s.run()
	}()
	if !running {
		s.end(endStopped)
		return nil, false, busy(5, endStopped.message).again()
	}
	return s, true, nil
}

// reserve returns the session with that id, or makes room for a new one.
func (h *Handler) reserve(id string) (*session, *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	switch {
	case s != nil:
		return s, nil
	case !h.running:
		return nil, busy(5, endStopped.message).again()
	case len(h.sessions)+h.births >= h.cfg.MaxSessions:
		return nil, h.metrics.refused(limitSessions, busy(10, "this server has as many sessions as it may have").again())
	}
	h.births++
	h.wg.Add(1)
	return nil, nil
}

// forget removes the session and counts how it ended.
func (h *Handler) forget(s *session, event string) {
	h.mu.Lock()
	delete(h.sessions, s.id)
	h.mu.Unlock()
	if event != "" {
		h.metrics.session(event)
	}
}

// unsent answers for a message that the server did not take.
func (s *session) unsent() *refusal {
	// That the process has ended is often seen first by who writes to it.
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-s.gone:
		return sessionGone()
	case <-timer.C:
		return busy(5, "the MCP server does not take messages")
	}
}

// call passes a request on and answers with what comes back.
func (h *Handler) call(w http.ResponseWriter, r *http.Request, s *session, m jsonrpc.Message, line []byte) *refusal {
	c, line, ref := s.begin(m, line, about.Span(r))
	if ref != nil {
		return ref
	}
	rd := c.stream.attach(0, false)
	defer c.stream.detach(rd)
	if err := s.child.Send(line); err != nil {
		if ref := s.unsent(); s.withdraw(c) {
			return ref
		}
	}
	patience := time.NewTimer(h.cfg.PatienceJSON)
	defer patience.Stop()
	select {
	case <-rd.wake:
	case <-patience.C:
	case <-r.Context().Done():
		// In this era a client that goes has not cancelled its request. But it
		// cannot come back for the answer, having seen no event.
		return nil
	}
	if events, done := c.stream.unread(rd); done && len(events) == 1 {
		if m.Method == jsonrpc.MethodInitialize && !s.isReady() {
			w.Header().Del(headerSession)
		}
		writeJSON(w, http.StatusOK, events[0].data)
		return nil
	}
	s.keep(c)
	h.serveStream(w, r, c.stream, rd, h.primes(s, m))
	return nil
}

// primes reports whether the client of the session understands priming events.
func (h *Handler) primes(s *session, m jsonrpc.Message) bool {
	version := s.protocolVersion()
	if version == "" {
		version = m.ProtocolVersion
	}
	return version >= versionPriming
}
