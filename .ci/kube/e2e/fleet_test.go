package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// betweenCalls leaves the machine, which is also the cluster, time for others
// than the callers.
const betweenCalls = 500 * time.Millisecond

// fleet are sessions of an adapter whose calls are told to a ledger.
type fleet struct {
	*harness.Fleet
	t      *testing.T
	ledger *ledger
}

// newFleet opens n sessions.
func newFleet(t *testing.T, m *harness.Mooring, l *ledger, adapter string, n int) *fleet {
	t.Helper()
	all := harness.NewFleet(t, m, adapter, n, func(text string) (string, any) {
		return "report", map[string]any{"url": l.url, "text": text, "milliseconds": 5}
	})
	all.Pause = betweenCalls
	return &fleet{Fleet: all, t: t, ledger: l}
}

// in is the part of the test that fails from now on.
func (f *fleet) in(t *testing.T) {
	f.t = t
	f.In(t)
}

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
	before := f.Homes()
	f.Statuses() // of what happened before
	begin := time.Now()
	o := outcome{failed: f.Under(event)}
	o.took = time.Since(begin)
	for i, now := range f.Homes() {
		switch {
		case now == "":
			o.gone++
		case now == before[i]:
			o.wentOn++
		default:
			o.recovered++
		}
	}
	o.statuses = f.Statuses()
	return o
}

// check fails the test where a call ran twice, where one that was answered did
// not run, and where a process ran calls of two sessions.
func (f *fleet) check() {
	f.t.Helper()
	results := f.Results()
	for call, err := range results {
		if ran := f.ledger.ran(call); ran > 1 || ran == 0 && err == nil {
			f.t.Errorf("call %s ran %d times; its error is %v", call, ran, err)
		}
	}
	for process, sessions := range f.ledger.guests(harness.SessionOf) {
		if len(sessions) > 1 {
			f.t.Errorf("process %s ran calls of the sessions %v", process, sessions)
		}
	}
	f.t.Logf("%d calls of %d sessions", len(results), f.Size())
}
