package mcphttp

import (
	"net/http"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// get serves the session's own stream, or resumes any stream of the session
// after the event that the client saw last.
func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	if ref := h.listen(w, r); ref != nil {
		h.refused(w, r, jsonrpc.Message{}, ref)
	}
}

func (h *Handler) listen(w http.ResponseWriter, r *http.Request) *refusal {
	if isModern(r, jsonrpc.Message{}) {
		return refuseModern(r)
	}
	if ref := checkAccept(r, typeSSE); ref != nil {
		return ref
	}
	s, ref := h.find(r)
	if ref != nil {
		return h.unlessGone(ref)
	}
	defer s.enter()()
	st, after := s.general, -1
	if id := r.Header.Get(headerLastEventID); id != "" {
		name, number, ok := parseEventID(id)
		st = s.lookup(name)
		if lost := lostRequest(name); st == nil && s.revived != nil && lost != nil {
			out := newSSE(w)
			defer out.close()
			out.event("", lost)
			// An error means that the client has gone again.
			_ = out.flush()
			return nil
		}
		if !ok || st == nil {
			return refuse(http.StatusBadRequest, "the Last-Event-ID names no stream that can be resumed")
		}
		after = number
	}
	// A client that resumes knows that its old connection is dead, which may not
	// have been noticed here yet.
	rd := st.attach(after, after < 0)
	if rd == nil {
		return refuse(http.StatusConflict, "the session has an open stream already")
	}
	defer st.detach(rd)
	h.serveStream(w, r, st, rd, h.primes(s, jsonrpc.Message{}))
	return nil
}

// delete ends a session.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request) {
	if isModern(r, jsonrpc.Message{}) {
		h.refused(w, r, jsonrpc.Message{}, refuseModern(r))
		return
	}
	if ref := h.endForGood(r); ref != nil {
		h.refused(w, r, jsonrpc.Message{}, ref)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// endForGood ends the session that the request names, which need not have a
// process for that.
func (h *Handler) endForGood(r *http.Request) *refusal {
	id, ref := sessionID(r)
	if ref != nil {
		return ref
	}
	principal := r.Header.Get(launch.HeaderPrincipal)
	s := h.held(id)
	switch {
	case s == nil:
		return h.buryUnknown(r, id, principal)
	case s.principal != principal:
		return unknownSession()
	}
	if ref := checkVersion(r, s.protocolVersion()); ref != nil {
		return ref
	}
	if err := s.bury(); err != nil {
		h.log(r, jsonrpc.Message{}).Error("ending a session for good", "error", err)
	}
	if !s.end(endDeleted) && h.cfg.Recovery == nil {
		return unknownSession()
	}
	// One whose process ended just now could have been gone on with until now.
	return nil
}
