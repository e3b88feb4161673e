package e2e

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// machine is this machine's address on the lab's bridge, which pods reach.
const machine = "10.245.0.1"

// ledger is told by the test servers of each call that they run, while they run
// it: their own files go with their pods.
type ledger struct {
	url string

	mu sync.Mutex
	// runs are the processes that ran a call, by the call's text.
	runs map[string][]string
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	listener, err := net.Listen("tcp", machine+":0")
	if err != nil {
		t.Fatalf("listening on the lab's bridge: %v", err)
	}
	l := &ledger{url: "http://" + listener.Addr().String(), runs: map[string][]string{}}
	server := &http.Server{Handler: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it is closed below
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l
}

// ServeHTTP implements http.Handler.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, process := r.PostFormValue("text"), r.PostFormValue("process")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[text] = append(l.runs[text], process)
	w.WriteHeader(http.StatusNoContent)
}

// ran is how often the call was run.
func (l *ledger) ran(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.runs[text])
}

// guests are the sessions that each process ran calls of; session says whose a
// call is.
func (l *ledger) guests(session func(call string) string) map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	guests := map[string][]string{}
	for call, processes := range l.runs {
		for _, process := range processes {
			if whose := session(call); !slices.Contains(guests[process], whose) {
				guests[process] = append(guests[process], whose)
			}
		}
	}
	return guests
}
