package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"
)

const (
	// callTimeout is how long a client of a fleet waits for the answer of a call.
	callTimeout = 20 * time.Second
	// giveUp is how long after an event a session may take to be answered again.
	giveUp = 90 * time.Second
	// streamRetries is how often a client comes back for its stream before it gives
	// the session up. With the usual five, some do while a cluster has not yet seen
	// that a node is gone.
	streamRetries = 50
	// atATime is how many sessions are opened, or called in peace, at a time.
	atATime = 8
)

// Traced is a call of a tool of the test server, which tells somebody of the text
// while it runs, and is answered with the name of the process.
type Traced func(text string) (tool string, arguments any)

// Fleet are sessions of one adapter, of clients that come back for broken
// streams, which call through whatever happens to what serves them.
type Fleet struct {
	// Pause is the time between two calls of a session. Zero is none.
	Pause time.Duration

	tb      testing.TB
	next    http.RoundTripper
	traced  Traced
	clients []*mcp.ClientSession

	mu       sync.Mutex
	statuses map[int]int
	results  map[string]error
}

// NewFleet opens n sessions with the adapter. They are closed after tb.
func NewFleet(tb testing.TB, m *Mooring, adapter string, n int, traced Traced) *Fleet {
	tb.Helper()
	f := &Fleet{
		tb: tb, next: m.client.Transport, traced: traced, clients: make([]*mcp.ClientSession, n),
		statuses: map[int]int{}, results: map[string]error{},
	}
	// A session outlives the test that it was opened in, to be closed after it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	tb.Cleanup(cancel)
	tb.Cleanup(f.close)
	var group errgroup.Group
	group.SetLimit(atATime)
	for i := range n {
		group.Go(func() (err error) {
			f.clients[i], err = f.open(ctx, m.URL("/adapters/"+adapter+"/mcp"))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
	return f
}

func (f *Fleet) open(ctx context.Context, endpoint string) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
	return client.Connect(ctx,
		&mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: &http.Client{Transport: f}, MaxRetries: streamRetries},
		&mcp.ClientSessionOptions{ProtocolVersion: Legacy})
}

func (f *Fleet) close() {
	var group sync.WaitGroup
	for _, session := range f.clients {
		if session != nil {
			group.Go(func() { _ = session.Close() })
		}
	}
	group.Wait()
}

// RoundTrip implements http.RoundTripper: it counts what goes over the wire. Of a
// stream that is not there now it makes an error, after which the client comes
// back: for an answer of 5xx it would give the session up.
func (f *Fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.next.RoundTrip(r)
	if err != nil || res.StatusCode < http.StatusMultipleChoices {
		return res, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses[res.StatusCode]++
	if r.Method == http.MethodGet && res.StatusCode >= http.StatusInternalServerError {
		_ = res.Body.Close()
		return nil, fmt.Errorf("opening a stream: %s", http.StatusText(res.StatusCode))
	}
	return res, nil
}

// In is the test that fails from now on, a part of the one f was made for.
func (f *Fleet) In(tb testing.TB) { f.tb = tb }

// Size is how many sessions there are.
func (f *Fleet) Size() int { return len(f.clients) }

// Statuses are all answers but 2xx, by status, since they were asked for last.
func (f *Fleet) Statuses() map[int]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	statuses := f.statuses
	f.statuses = map[int]int{}
	return statuses
}

// Results are the errors of all calls, nil where one was answered, by text.
func (f *Fleet) Results() map[string]error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.results)
}

// SessionOf is the session whose call has the text.
func SessionOf(text string) string { return strings.Split(text, "/")[0] }

// call makes one call of the session and returns which process answered.
func (f *Fleet) call(session int) (process string, err error) {
	f.mu.Lock()
	text := fmt.Sprintf("%d/%d", session, len(f.results))
	f.results[text] = errUnanswered
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.tb.Context(), callTimeout)
	defer cancel()
	tool, arguments := f.traced(text)
	process, err = Call(ctx, f.clients[session], tool, arguments)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.results[text] = err
	return process, err
}

// errUnanswered is the result of a call that is on its way.
var errUnanswered = errors.New("not answered")

// Homes calls each session in peace, when no call may fail, and returns which
// process answered; none where the session is lost.
func (f *Fleet) Homes() []string {
	f.tb.Helper()
	homes := make([]string, len(f.clients))
	var group errgroup.Group
	group.SetLimit(atATime)
	for i := range f.clients {
		group.Go(func() (err error) {
			if homes[i], err = f.call(i); lost(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		f.tb.Fatalf("calling in peace: %v", err)
	}
	return homes
}

// lost reports whether the error says that the session is no more: 404.
func lost(err error) bool { return err != nil && strings.Contains(err.Error(), "not found") }

// Under calls with all sessions at once while the event happens, and until each
// that is not lost was answered three times after it, and returns how many calls
// failed, by the part of the error that is the same for all.
func (f *Fleet) Under(event func()) (failed map[string]int) {
	f.tb.Helper()
	failed = map[string]int{}
	done := make(chan struct{})
	var callers sync.WaitGroup
	for i := range f.clients {
		callers.Go(func() { f.keepCalling(i, done, failed) })
	}
	defer callers.Wait()
	defer close(done)
	event()
	return failed
}

func (f *Fleet) keepCalling(session int, done <-chan struct{}, failed map[string]int) {
	var end time.Time
	for after := 0; after < 3 && f.tb.Context().Err() == nil; {
		ended := closed(done)
		if ended && end.IsZero() {
			end = time.Now().Add(giveUp)
		}
		switch _, err := f.call(session); {
		case lost(err):
			return
		case err != nil:
			f.mu.Lock()
			failed[reason(err)]++
			f.mu.Unlock()
			if ended && time.Now().After(end) {
				f.tb.Errorf("session %d is not answered %v after the event: %v", session, giveUp, err)
				return
			}
		case ended:
			after++
		}
		select {
		case <-f.tb.Context().Done():
		case <-time.After(f.Pause):
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// reason is the part of an error that is the same for all calls.
func reason(err error) string {
	words := strings.Split(err.Error(), ": ")
	return words[len(words)-1]
}
