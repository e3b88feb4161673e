package mcphttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

// lookAgain is how long what was seen of a session's notes is taken to hold.
// Sessions move no faster: the gateway has to be told of replicas.
const lookAgain = 100 * time.Millisecond

// held returns the session of that id, if this is the bridge that has it: one
// that has gone on elsewhere meanwhile has a process here that knows nothing of
// what was said since, or was ended for good.
func (h *Handler) held(id string) *session {
	h.mu.Lock()
	s := h.sessions[id]
	h.mu.Unlock()
	if s == nil || !s.isElsewhere(time.Now()) {
		return s
	}
	s.end(endMoved)
	return nil
}

// isElsewhere reports whether another bridge has taken the session over, or has
// ended it. The one that wrote the newest notes has it.
func (s *session) isElsewhere(now time.Time) bool {
	keeper := s.h.cfg.Recovery
	if keeper == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.noted || now.Sub(s.looked) < lookAgain {
		return s.buried
	}
	s.looked = now
	edition := keeper.Edition(s.id)
	if edition == s.edition {
		return s.buried
	}
	notes, err := keeper.Notes(s.id)
	switch {
	case err != nil:
		s.log().Warn("who has a session is not known", "error", err)
		return false
	case notes.Ended, notes.Holder != "" && notes.Holder != s.h.name:
		return true
	}
	s.edition = edition
	return s.buried
}

// keepNotes writes the notes, by which the session is this bridge's. s.mu is
// held.
func (s *session) keepNotes() {
	s.notes.Holder = s.h.name
	edition, err := s.h.cfg.Recovery.Note(s.id, s.notes)
	switch {
	case errors.Is(err, recovery.ErrEnded):
		s.buried = true
	case err != nil:
		s.log().Warn("what was set in a session may be lost with its process", "error", err)
	default:
		s.edition, s.noted, s.looked = edition, true, time.Now()
	}
}

// bury makes sure that the session is never gone on with.
func (s *session) bury() error {
	if s.h.cfg.Recovery == nil {
		return nil
	}
	return s.h.cfg.Recovery.End(s.id)
}

// buryUnknown ends a session that is not here, but could be gone on with.
func (h *Handler) buryUnknown(r *http.Request, id, principal string) *refusal {
	if h.cfg.Recovery == nil {
		return unknownSession()
	}
	if old, _, ok := h.cfg.Recovery.Read(id, time.Now()); !ok || old.Principal != principal {
		return unknownSession()
	}
	if err := h.cfg.Recovery.End(id); err != nil {
		h.log(r, jsonrpc.Message{}).Error("ending a session", "error", err)
		return refuse(http.StatusInternalServerError, "the session could not be ended")
	}
	h.metrics.session("closed")
	return nil
}
