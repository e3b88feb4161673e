package server

import (
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

// stalled plays an Envoy whose client sends no more: it ends the stream once it
// was answered.
type stalled struct {
	stream
	answered chan struct{}
}

// Recv implements the stream.
func (s *stalled) Recv() (*extprocv3.ProcessingRequest, error) {
	if len(s.in) > 0 {
		return s.stream.Recv()
	}
	<-s.answered
	return nil, status.Error(codes.Canceled, "gone")
}

// Send implements the stream.
func (s *stalled) Send(r *extprocv3.ProcessingResponse) error {
	defer close(s.answered) // a second answer panics
	return s.stream.Send(r)
}

func TestPausedBodyIsRefused(t *testing.T) {
	for name, in := range map[string][]*extprocv3.ProcessingRequest{
		"before the body": {head(false)},
		"within the body": {head(false), piece(`{"jsonrpc":`, false), piece(`"2.0"`, false)},
		"before its end":  {head(false), piece(initialize, false)},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := newServer(t, authn.Development{})
			s.pause = 20 * time.Millisecond
			st := &stalled{stream: stream{policy: []string{birth}, in: in}, answered: make(chan struct{})}
			if err := s.Process(st); err != nil {
				t.Fatal(err)
			}
			if got := kinds(st.out); got != "RequestTimeout" {
				t.Errorf("answers %q", got)
			}
		})
	}
}

// TestPauses holds that each wait is measured alone, and that one that has ended
// is told of no more.
func TestPauses(t *testing.T) {
	told := 0
	p := pause{most: time.Hour, tell: func() { told++ }}
	for range 3 {
		p.begin()
		if p.end() {
			t.Fatal("a wait of no time took too long")
		}
	}
	// The timer fires as the wait ends: whoever was first counts.
	p.most = time.Nanosecond
	late := 0
	for range 1000 {
		p.begin()
		if p.end() {
			late++
			p.wait = nil // the stream is over
		}
	}
	if told != late {
		t.Errorf("told %d times, late %d times", told, late)
	}
}
