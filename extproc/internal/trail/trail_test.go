package trail

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// entry is one of a request to path, with what the external processor knew.
func entry(path string, status uint32, details string, known *contract.Judged) *accesslog.Entry {
	e := &accesslog.Entry{
		ID: "r1", Start: began, Took: time.Second, Source: "192.0.2.1", Method: "POST", Path: path,
		Status: status, Details: details,
	}
	if known != nil {
		e.Route, e.Judged = "a/session", *known
	}
	return e
}

func TestEvents(t *testing.T) {
	known := &contract.Judged{Who: "i|ann", Method: "tools/call", Tool: "t", Session: "h", Verdict: "allow", Principal: "p"}
	whole := audit.Event{
		Time: began.Add(time.Second), RequestID: "r1", Principal: "i|ann", Source: "192.0.2.1", Method: "POST",
		Path: "/adapters/a/mcp", Adapter: "a", RPCMethod: "tools/call", Tool: "t", Session: "h", Verdict: audit.Allowed, Status: 200,
	}
	with := func(change func(*audit.Event)) audit.Event {
		e := whole
		change(&e)
		return e
	}
	unjudged := func(status int, verdict, reason string) audit.Event {
		return with(func(e *audit.Event) {
			e.Principal, e.RPCMethod, e.Tool, e.Session = "", "", "", ""
			e.Status, e.Verdict, e.Reason = status, verdict, reason
		})
	}
	unnamed := unjudged(404, audit.Denied, "via_upstream")
	unnamed.Adapter, unnamed.Path = "", "/adapters/A/mcp"
	for name, tt := range map[string]struct {
		entry *accesslog.Entry
		want  audit.Event
	}{
		"allowed":                     {entry("/adapters/a/mcp", 200, "via_upstream", known), whole},
		"no adapter can be called so": {entry("/adapters/A/mcp?x", 404, "via_upstream", nil), unnamed},
		"its path was changed":        {entry("/mcp", 200, "via_upstream", known), whole},
		"a secret in the query":       {entry("/adapters/a/mcp?token=s3cret", 200, "via_upstream", known), whole},
		"refused": {entry("/adapters/a/mcp", 403, "mooring_tool_denied", &contract.Judged{Who: "i|ann", Verdict: "tool_denied"}),
			with(func(e *audit.Event) {
				e.RPCMethod, e.Tool, e.Session, e.Status, e.Verdict, e.Reason = "", "", "", 403, audit.Denied, "tool_denied"
			})},
		"the server's own refusal":    {entry("/adapters/a/mcp", 404, "via_upstream", known), with(func(e *audit.Event) { e.Status = 404 })},
		"allowed, and nobody answers": {entry("/adapters/a/mcp", 503, "no_healthy_upstream", known), with(func(e *audit.Event) { e.Status, e.Verdict, e.Reason = 503, audit.Failed, "no_healthy_upstream" })},
		"Envoy's refusal":             {entry("/adapters/a/mcp", 431, "too_large", nil), unjudged(431, audit.Denied, "too_large")},
		"nobody judged":               {entry("/adapters/a/mcp", 500, "ext_proc_error", nil), unjudged(500, audit.Failed, "ext_proc_error")},
		"the client left":             {entry("/adapters/a/mcp", 0, strings.Repeat("é", 200), nil), unjudged(0, audit.Failed, strings.Repeat("é", 128))},
	} {
		got, is := eventOf(tt.entry)
		if d := cmp.Diff(tt.want, got); d != "" || !is {
			t.Errorf("%s: %v (-want +got):\n%s", name, is, d)
		}
	}
}

// log keeps what it is given.
type log struct {
	kept []audit.Event
	lost uint64
}

func (l *log) Lose(events uint64) { l.lost += events }

func (l *log) Append(events ...audit.Event) error {
	l.kept = append(l.kept, events...)
	return nil
}

// TestOnlyMessagesThatHaveEnded: the API's requests are in another file, and
// signs of life of a stream are no events.
func TestOnlyMessagesThatHaveEnded(t *testing.T) {
	kept := &log{}
	trail := New(kept, slog.New(slog.DiscardHandler))
	alive := entry("/adapters/a/mcp", 200, "", nil)
	alive.Open = true
	trail.Take(alive)
	for _, path := range []string{"/adapters", "/adapters/a", "/adapters/a/mcp/x", "/x/a/mcp", "/adapters/b/mcp"} {
		trail.Take(entry(path, 200, "", nil))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := trail.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(kept.kept) != 1 || kept.kept[0].Adapter != "b" {
		t.Errorf("kept %+v", kept.kept)
	}
}

// TestLossIsTold: while nothing is written requests go on, and what found no
// place in the queue is told of.
func TestLossIsTold(t *testing.T) {
	kept := &log{}
	trail := New(kept, slog.New(slog.DiscardHandler))
	const taken = maxQueue + 3*maxBatch
	for range taken {
		trail.Take(entry("/adapters/a/mcp", 200, "", nil))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := trail.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(kept.kept) != maxQueue || kept.lost != taken-maxQueue {
		t.Errorf("%d kept, %d lost, want %d and %d", len(kept.kept), kept.lost, maxQueue, taken-maxQueue)
	}
}
