package server

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

// called is a server, and a call of a tool in a session as Envoy tells of it.
func called(tb testing.TB, size int) (*Server, *stream) {
	tb.Helper()
	s, _, _ := newServer(tb, authn.Development{})
	s.judge.MaxBody, s.inspector = 1<<20, inspect.New(inspect.Limits{})
	id, _, err := s.judge.Sessions.Mint(session.Birth{
		Adapter: "uida", PolicyVersion: "1", Endpoint: "MTI3LjAuMC4xOjgw", Upstream: "up", Principal: adapters.Principal{Subject: "ann"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	policy := contract.Policy{Adapter: "a", UID: "uida", Version: "1", RequiredRoles: []string{"caller"}, Route: contract.RouteSession}
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"` + strings.Repeat("m", size) + `"}}}`
	return s, &stream{policy: []string{policy.Encode()}, in: []*extprocv3.ProcessingRequest{
		head(false, ":authority", "127.0.0.1:8080", ":path", "/adapters/a/mcp", ":scheme", "http",
			"accept", "application/json, text/event-stream", "x-dev-userid", "ann", "x-dev-roles", "caller",
			"mcp-session-id", string(id), "mcp-protocol-version", "2025-11-25", "user-agent", "test",
			"x-forwarded-for", "127.0.0.1", "x-forwarded-proto", "http", "content-length", strconv.Itoa(len(body)), "x-request-id", "5c4c0c0e-0000-4000-8000-000000000000"),
		piece(body, false), piece("", true),
	}}
}

// judged judges the call again.
func judged(tb testing.TB, s *Server, call *stream) {
	again := *call
	if err := s.Process(&again); err != nil || kinds(again.out) != "h" {
		tb.Fatalf("answered %s, error %v", kinds(again.out), err)
	}
}

func BenchmarkProcess(b *testing.B) {
	for name, size := range map[string]int{"200B": 200, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			s, call := called(b, size)
			b.ReportAllocs()
			for b.Loop() {
				judged(b, s, call)
			}
		})
	}
}

// TestCost guards what a call costs. The bounds are those of the day with some
// room: whoever needs more should know it.
func TestCost(t *testing.T) {
	for _, size := range []int{200, 64 << 10} {
		s, call := called(t, size)
		judged(t, s, call)
		if n := testing.AllocsPerRun(100, func() { judged(t, s, call) }); n > 110 {
			t.Errorf("a call of %d bytes makes %v allocations", size, n)
		}
	}
}

// TestWholeBody: however a body comes, the same is read of it.
func TestWholeBody(t *testing.T) {
	const text = `{"a":1}`
	for name, c := range map[string]struct {
		in    []*extprocv3.ProcessingRequest
		whole bool
		err   error
	}{
		"one piece":              {[]*extprocv3.ProcessingRequest{piece(text, true)}, true, nil},
		"its end alone":          {[]*extprocv3.ProcessingRequest{piece(text, false), piece("", true)}, true, nil},
		"longer than it says":    {[]*extprocv3.ProcessingRequest{piece(text[:3], false), piece(text[3:], true)}, false, nil},
		"an end that is a piece": {[]*extprocv3.ProcessingRequest{piece(text, false), piece(" ", true)}, true, nil},
		"goes on":                {[]*extprocv3.ProcessingRequest{piece(text, false), piece(" ", false), piece(" ", true)}, false, nil},
		"trailers":               {[]*extprocv3.ProcessingRequest{piece(text, false), trailers()}, false, inspect.Trailers()},
		"breaks":                 {[]*extprocv3.ProcessingRequest{piece(text, false)}, false, errBroken},
		"nothing":                {nil, false, errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			b := &body{stream: &stream{in: c.in, end: errBroken}}
			var from io.Reader = b
			if whole := b.whole(len(text)); (whole != nil) != c.whole {
				t.Errorf("whole: %v", whole)
			} else if whole != nil {
				from = whole
			}
			got, err := io.ReadAll(from)
			if c.in == nil {
				c.in = []*extprocv3.ProcessingRequest{piece("", true)}
			}
			var want strings.Builder
			for _, m := range c.in {
				want.Write(m.GetRequestBody().GetBody())
			}
			if string(got) != want.String() || fmt.Sprint(err) != fmt.Sprint(c.err) {
				t.Errorf("read %q, %v; want %q, %v", got, err, want.String(), c.err)
			}
		})
	}
}

var errBroken = errors.New("broken")
