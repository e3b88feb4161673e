package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// silent is a call in flight of which its client has heard nothing yet.
type silent struct {
	t      *testing.T
	trace  string
	answer chan harness.Answer
}

// callSilently returns once the server works on the call.
func callSilently(t *testing.T, session harness.Raw) *silent {
	t.Helper()
	s := &silent{t: t, trace: filepath.Join(t.TempDir(), "trace"), answer: make(chan harness.Answer, 1)}
	go func() {
		answer, err := session.Try(http.MethodPost, fmt.Sprintf(
			`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"record","arguments":{"file":%q,"text":"ran","milliseconds":60000}}}`, s.trace))
		if err != nil {
			t.Errorf("the call without an event: %v", err)
		}
		s.answer <- answer
	}()
	harness.Await(t, "the call's trace", 20*time.Second, func() bool {
		text, err := os.ReadFile(s.trace)
		return err == nil && len(text) > 0
	})
	return s
}

// isLost fails the test unless the client was told once that the call may have
// run, which it did once only.
func (s *silent) isLost() {
	s.t.Helper()
	select {
	case a := <-s.answer:
		if a.Status != http.StatusBadGateway || !strings.Contains(a.Body, `"id":null`) || !strings.Contains(a.Body, "it may have run, or not, and was not sent again") {
			s.t.Errorf("a call that was lost before any event has the answer %d: %s", a.Status, a.Body)
		}
	case <-time.After(20 * time.Second):
		s.t.Error("a call that was lost before any event has no answer")
	}
	if text, err := os.ReadFile(s.trace); err != nil || string(text) != "ran\n" {
		s.t.Errorf("the call left the trace %q, %v", text, err)
	}
}

// TestLostCallMayHaveRun kills the bridge under a call whose client has heard
// nothing yet. Envoy answers, which does not know the request's id.
func TestLostCallMayHaveRun(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	call := callSilently(t, m.Initialize("a"))
	m.Kill(m.Bridges()[0])
	call.isLost()
}
