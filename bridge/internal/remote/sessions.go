package remote

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const headerSession = "Mcp-Session-Id"

const (
	// sessionIdle is after how long a session is taken for gone: clients need
	// not say so.
	sessionIdle = 30 * time.Minute
	// maxKnown bounds how many sessions are counted.
	maxKnown = 10_000
)

// sessions counts the sessions that go through, so that a bridge which is about
// to end can wait for them. It keeps digests, not ids.
type sessions struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]time.Time
}

func newSessions() *sessions {
	return &sessions{known: make(map[[sha256.Size]byte]time.Time)}
}

// note learns from an answer of the remote server.
func (s *sessions) note(resp *http.Response, now time.Time) {
	asked := resp.Request.Header.Get(headerSession)
	ended := resp.StatusCode == http.StatusNotFound ||
		resp.Request.Method == http.MethodDelete && resp.StatusCode < 300
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case asked != "" && ended:
		delete(s.known, sha256.Sum256([]byte(asked)))
	case asked != "" && resp.StatusCode < 300:
		s.see(asked, now)
	case asked == "" && resp.StatusCode < 300 && resp.Header.Get(headerSession) != "":
		s.see(resp.Header.Get(headerSession), now)
	}
}

func (s *sessions) see(id string, now time.Time) {
	key := sha256.Sum256([]byte(id))
	if _, ok := s.known[key]; ok || len(s.known) < maxKnown {
		s.known[key] = now
	}
}

func (s *sessions) count(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, seen := range s.known {
		if now.Sub(seen) > sessionIdle {
			delete(s.known, key)
		}
	}
	return len(s.known)
}
