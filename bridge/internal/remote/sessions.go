package remote

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

const (
	// sessionIdle is after how long a session is taken for gone: clients need
	// not say so.
	sessionIdle = 30 * time.Minute
	// maxKnown bounds how many sessions are known.
	maxKnown = 10_000
	// maxOpen bounds how many requests without answer are known of one.
	maxOpen = 1024
)

// session is a session of a client, which outlives the server's own.
type session struct {
	id   string // as the client knows it
	born recovery.Session

	renewing sync.Mutex // held while it is begun anew

	mu       sync.Mutex
	upstream string // as the server knows it, empty where it does not
	renewed  bool   // it was begun anew
	notes    recovery.Notes
	open     [][]byte // ids of requests that the server has begun to answer
	lost     [][]byte // those of an earlier session of the server
}

// name is what the server calls the session, and whether it was begun anew.
func (s *session) name() (upstream string, renewed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upstream, s.renewed
}

// settings is what the client has set since the session began.
func (s *session) settings() (level string, resources []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes.LogLevel, slices.Clone(s.notes.Resources)
}

// renew notes the server's new session, in which nothing of the old one will be
// answered.
func (s *session) renew(upstream string, k *recovery.Keeper) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream, s.renewed, s.notes.Upstream = upstream, true, upstream
	s.lost, s.open = append(s.lost, s.open...), nil
	_, err := k.Note(s.id, s.notes)
	return err
}

// began notes that the server has begun to answer a request.
func (s *session) began(rawID []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) < maxOpen {
		s.open = append(s.open, bytes.Clone(rawID))
	}
}

// answered notes that a request has its answer.
func (s *session) answered(rawID []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(open []byte) bool { return bytes.Equal(open, rawID) })
}

// takeLost returns the requests that will never be answered, once.
func (s *session) takeLost() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.lost
	s.lost = nil
	return lost
}

// set keeps what a request of the client, which the server has accepted, sets
// for the rest of the session.
func (s *session) set(message []byte, k *recovery.Keeper) error {
	if !bytes.Contains(message, []byte("setLevel")) && !bytes.Contains(message, []byte("subscribe")) {
		return nil // as nearly always
	}
	m, err := jsonrpc.Parse(message)
	if err != nil || m.At.Params == (jsonrpc.Span{}) {
		return nil
	}
	var params struct {
		Level string `json:"level"`
		URI   string `json:"uri"`
	}
	switch m.Method {
	case "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		if json.Unmarshal(m.At.Params.Of(message), &params) != nil {
			return nil
		}
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.Method == "logging/setLevel":
		s.notes.LogLevel = params.Level
	case m.Method == "resources/unsubscribe":
		s.notes.Resources = slices.DeleteFunc(s.notes.Resources, func(uri string) bool { return uri == params.URI })
	case !slices.Contains(s.notes.Resources, params.URI):
		s.notes.Resources = append(s.notes.Resources, params.URI)
	}
	_, err = k.Note(s.id, s.notes)
	return err
}

// bury makes sure that the session is never gone on with.
func (s *session) bury(k *recovery.Keeper) error { return k.End(s.id) }

// sessions are those that go through, so that a bridge which is about to end can
// wait for them, and go on with them. It is keyed by digests of ids.
type sessions struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]*known
}

type known struct {
	session *session // nil where sessions are the server's own affair
	seen    time.Time
}

func newSessions() *sessions {
	return &sessions{known: make(map[[sha256.Size]byte]*known)}
}

// see notes that the session was used.
func (s *sessions) see(id string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(id))
	if k := s.known[key]; k != nil {
		k.seen = now
	} else if len(s.known) < maxKnown {
		s.known[key] = &known{seen: now}
	}
}

// add makes a session known; the one that is known already stays.
func (s *sessions) add(one *session, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(one.id))
	if k := s.known[key]; k != nil {
		return k.session
	}
	s.drop(now, len(s.known) >= maxKnown)
	s.known[key] = &known{one, now}
	return one
}

// find returns the session of that id, of that principal, which it reads from
// the id where it does not know it.
func (s *sessions) find(id, principal string, keeper *recovery.Keeper, now time.Time) *session {
	s.mu.Lock()
	k := s.known[sha256.Sum256([]byte(id))]
	if k != nil {
		k.seen = now
	}
	s.mu.Unlock()
	var found *session
	switch {
	case k == nil:
		born, notes, ok := keeper.Read(id, now)
		if !ok {
			return nil
		}
		found = &session{id: id, born: born, upstream: born.Upstream, notes: notes}
		if notes.Upstream != "" {
			found.upstream, found.renewed = notes.Upstream, true
		}
	case keeper.Ended(id):
		// At another replica.
		s.forget(id)
	default:
		found = k.session
	}
	if found == nil || found.born.Principal != principal {
		return nil
	}
	return s.add(found, now)
}

func (s *sessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, sha256.Sum256([]byte(id)))
}

func (s *sessions) count(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(now, false)
	return len(s.known)
}

// drop forgets what was not used for long, and with one the oldest of the rest.
// s.mu is held.
func (s *sessions) drop(now time.Time, one bool) {
	var oldest *known
	var oldestKey [sha256.Size]byte
	for key, k := range s.known {
		if now.Sub(k.seen) > sessionIdle {
			delete(s.known, key)
			one = false
		} else if oldest == nil || k.seen.Before(oldest.seen) {
			oldest, oldestKey = k, key
		}
	}
	if one && oldest != nil {
		delete(s.known, oldestKey)
	}
}
