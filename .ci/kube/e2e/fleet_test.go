package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// callTimeout is how long a client waits for the answer of a call.
const callTimeout = 20 * time.Second

// streamRetries is how often a client comes back for its stream before it gives
// the session up. With the usual five, some do while the cluster has not yet
// seen that a node is gone.
const streamRetries = 50

// giveUp is how long after an event a session may take to be answered again.
const giveUp = 90 * time.Second

// fleet are sessions of an adapter which call all the time, as clients that come
// back for broken streams.
type fleet struct {
	t       *testing.T
	ledger  *ledger
	adapter string
	next    http.RoundTripper
	clients []*mcp.ClientSession

	mu       sync.Mutex
	calls    int
	statuses map[int]int      // of all answers but 2xx, since the last event
	results  map[string]error // by the text of the call
}

// newFleet opens n sessions.
func newFleet(t *testing.T, m *harness.Mooring, l *ledger, adapter string, n int) *fleet {
	t.Helper()
	f := &fleet{
		t: t, ledger: l, adapter: adapter, clients: make([]*mcp.ClientSession, n), next: m.Client().Transport,
		statuses: map[int]int{}, results: map[string]error{},
	}
	// A session outlives the test that it was opened in, to be closed after it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error {
			client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
			session, err := client.Connect(ctx,
				&mcp.StreamableClientTransport{
					Endpoint: m.URL("/adapters/" + adapter + "/mcp"), HTTPClient: &http.Client{Transport: f}, MaxRetries: streamRetries,
				},
				&mcp.ClientSessionOptions{ProtocolVersion: harness.Legacy})
			f.clients[i] = session
			return err
		})
	}
	t.Cleanup(f.close)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleet) close() {
	var group sync.WaitGroup
	for _, session := range f.clients {
		if session != nil {
			group.Go(func() { _ = session.Close() })
		}
	}
	group.Wait()
}

// RoundTrip implements http.RoundTripper: it counts what goes over the wire.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.next.RoundTrip(r)
	if err == nil && res.StatusCode >= 300 {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.statuses[res.StatusCode]++
	}
	return res, err
}

// call makes one call of the session, which its server works on for a moment,
// and returns which process answered.
func (f *fleet) call(session int) (process string, err error) {
	f.mu.Lock()
	f.calls++
	text := fmt.Sprintf("%d/%d", session, f.calls)
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.t.Context(), callTimeout)
	defer cancel()
	process, err = harness.Call(ctx, f.clients[session], "report", map[string]any{"url": f.ledger.url, "text": text, "milliseconds": 5})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.results[text] = err
	return process, err
}

// homes calls each session and returns which process answered; none where the
// session is lost.
func (f *fleet) homes() []string {
	f.t.Helper()
	homes := make([]string, len(f.clients))
	var group errgroup.Group
	group.SetLimit(8)
	for i := range f.clients {
		group.Go(func() (err error) {
			if homes[i], err = f.call(i); lost(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		f.t.Fatalf("calling in peace: %v", err)
	}
	return homes
}

// lost reports whether the error says that the session is no more: 404.
func lost(err error) bool { return err != nil && strings.Contains(err.Error(), "not found") }

// outcome is what became of the sessions over an event.
type outcome struct {
	// wentOn stayed with their process, recovered got another, and gone got 404.
	wentOn, recovered, gone int
	// failed are the calls that failed while it happened, by reason.
	failed map[string]int
	// statuses are all answers but 2xx, by status.
	statuses map[int]int
	took     time.Duration
}

// sum is how many calls failed.
func (o outcome) sum() (n int) {
	for _, of := range o.failed {
		n += of
	}
	return n
}

func (o outcome) String() string {
	return fmt.Sprintf("%d went on, %d recovered, %d got 404; %d calls failed %v; answers but 2xx: %v; %v",
		o.wentOn, o.recovered, o.gone, o.sum(), o.failed, o.statuses, o.took.Round(100*time.Millisecond))
}

// through makes the event happen while all sessions call, and says what became
// of them. Each that lives has been answered after the event.
func (f *fleet) through(event func()) outcome {
	f.t.Helper()
	before := f.homes()
	f.mu.Lock()
	f.statuses = map[int]int{}
	f.mu.Unlock()
	begin := time.Now()
	o := outcome{failed: f.under(event)}
	o.took = time.Since(begin)
	for i, now := range f.homes() {
		switch {
		case now == "":
			o.gone++
		case now == before[i]:
			o.wentOn++
		default:
			o.recovered++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o.statuses = f.statuses
	return o
}

// under calls with all sessions at once while the event happens and until each
// was answered three times after it, and returns how many calls failed.
func (f *fleet) under(event func()) (failed map[string]int) {
	t, done := f.t, make(chan struct{})
	failed = map[string]int{}
	var callers sync.WaitGroup
	for i := range f.clients {
		callers.Go(func() {
			var end time.Time
			for after := 0; after < 3 && t.Context().Err() == nil; {
				ended := closed(done)
				if ended && end.IsZero() {
					end = time.Now().Add(giveUp)
				}
				_, err := f.call(i)
				switch {
				case lost(err):
					return
				case err != nil:
					f.mu.Lock()
					failed[reason(err)]++
					f.mu.Unlock()
					if ended && time.Now().After(end) {
						t.Errorf("session %d is not answered %v after the event: %v", i, giveUp, err)
						return
					}
				case ended:
					after++
				}
				pause(t.Context())
			}
		})
	}
	defer callers.Wait()
	defer close(done)
	event()
	return failed
}

// pause leaves the machine, which is also the cluster, time for others.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
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

// check fails the test where a call ran twice, where one that was answered did
// not run, and where a process ran calls of two sessions.
func (f *fleet) check() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for call, err := range f.results {
		if ran := f.ledger.ran(call); ran > 1 || ran == 0 && err == nil {
			f.t.Errorf("call %s ran %d times; its error is %v", call, ran, err)
		}
	}
	session := func(call string) string { return strings.Split(call, "/")[0] }
	for process, sessions := range f.ledger.guests(session) {
		if len(sessions) > 1 {
			f.t.Errorf("process %s ran calls of the sessions %v", process, sessions)
		}
	}
	f.t.Logf("%d calls of %d sessions", f.calls, len(f.clients))
}
