package traffic

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// TestSeriesStayFlat: whatever clients choose, the number of series does not
// grow.
func TestSeriesStayFlat(t *testing.T) {
	m := newMeter()
	refused := call("")
	refused.code, refused.verdict, refused.session = 403, "tool_denied", ""
	called, denied := call("").entry(), refused.entry()
	unknown := asked{http: http.MethodPost, code: 404}.entry()
	odd := asked{route: "a/birth", http: http.MethodPost}.entry()
	hostile := func(i int) {
		name := fmt.Sprintf("hostile%d", i)
		called.Judged.Tool, denied.Judged.Tool = name, name
		unknown.Path = "/adapters/" + name + "/mcp"
		odd.Status, odd.Flags = uint32(i%1000), name
		odd.Judged.Method, odd.Judged.Era, odd.Judged.Verdict = name, name, name
		for _, entry := range []*accesslog.Entry{called, denied, unknown, odd} {
			m.Take(entry)
		}
		m.drain()
	}
	for i := range 1000 {
		hostile(i)
	}
	before := testutil.CollectAndCount(m.reg)
	for i := range 100_000 {
		hostile(1000 + i)
	}
	after, err := testutil.GatherAndCount(m.reg)
	if err != nil {
		t.Fatal(err)
	}
	first, err := testutil.GatherAndCount(m.reg, "mooring_tool_requests_total")
	if err != nil {
		t.Fatal(err)
	}
	// Each tool that was shown, and the rest, with each code.
	if before != after || first > 2*(maxTools+1) {
		t.Errorf("%d series became %d; of tools there are %d", before, after, first)
	}
	t.Logf("%d series", after)
}

// TestToolsThatTheServerLists: where it is known what tools there are, no other
// has series, whatever answers it gets; and those are shown however they are
// answered.
func TestToolsThatTheServerLists(t *testing.T) {
	m := newMeter()
	unlisted := call("").entry()
	unlisted.Judged.Listed = contract.ListedNo
	for i := range 100_000 {
		unlisted.Judged.Tool = fmt.Sprintf("hostile%d", i)
		m.Take(unlisted)
		m.drain()
	}
	denied := call("echo")
	denied.code, denied.listed = 403, contract.ListedYes
	m.take(denied)
	m.want(t, `
		mooring_tool_requests_total{adapter="a",code="200",tool="other"} 100000
		mooring_tool_requests_total{adapter="a",code="403",tool="echo"} 1
	`, "mooring_tool_requests_total")
	for i := range 2 * maxListed { // of one release after the other
		listed := call(fmt.Sprintf("tool%d", i))
		listed.listed = contract.ListedYes
		m.take(listed)
	}
	if n, err := testutil.GatherAndCount(m.reg, "mooring_tool_requests_total"); err != nil || n != maxListed+1 {
		t.Errorf("%d series, error %v", n, err)
	}
}

// TestAdaptersAreBounded: routes are the control plane's, and still there is a
// bound.
func TestAdaptersAreBounded(t *testing.T) {
	m := newMeter()
	entry := call("echo").entry()
	for i := range maxAdapters + 100 {
		entry.Route = fmt.Sprintf("a%d/birth", i)
		m.Take(entry)
		m.drain()
	}
	if n, err := testutil.GatherAndCount(m.reg, "mooring_requests_total"); err != nil || n != maxAdapters+1 {
		t.Errorf("%d series, error %v", n, err)
	}
}

func TestSeriesOfQuietAdaptersGo(t *testing.T) {
	m := newMeter()
	b := call("echo")
	b.route = "b/birth"
	m.take(call("echo"), b)
	m.clock = m.clock.Add(50 * time.Minute)
	m.take(call("echo"))
	m.clock = m.clock.Add(15 * time.Minute)
	m.sweep()
	m.want(t, `
		mooring_requests_total{adapter="a",code="200",method="tools/call"} 2
		mooring_sessions_active{adapter="a"} 0
		mooring_tool_requests_total{adapter="a",code="200",tool="echo"} 2
	`, "mooring_requests_total", "mooring_tool_requests_total", "mooring_sessions_active")
	if fmt.Sprint(m.gone) != "[b]" || m.sessions != 0 {
		t.Errorf("gone: %v; %d sessions are left", m.gone, m.sessions)
	}
}

// TestSeriesOfDeletedAdaptersGo: at once, and again where something came after.
func TestSeriesOfDeletedAdaptersGo(t *testing.T) {
	m := newMeter()
	m.clock = time.Unix(1e9, 0)
	for range 2 {
		b := call("echo")
		b.route = "b/birth"
		m.take(call("echo"), b)
		m.Forget("b")
		m.Forget("never") // was one
		m.sweep()
		if n, err := testutil.GatherAndCount(m.reg, "mooring_requests_total", "mooring_sessions_active"); n != 2 || err != nil {
			t.Errorf("%d series, error %v", n, err)
		}
	}
	if fmt.Sprint(m.gone) == "[]" || m.sessions != 1 {
		t.Errorf("gone: %v; %d sessions are left", m.gone, m.sessions)
	}
}
