package traffic

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked is a request as the access log tells of it.
type asked struct {
	id, route, path            string
	http                       string
	method, tool, era, verdict string
	session, trace, listed     string
	code                       uint32
	open                       bool
	flags                      string
}

func (a asked) entry() *accesslog.Entry {
	return &accesslog.Entry{
		ID: a.id, Open: a.open, Route: a.route, Method: cmp.Or(a.http, accesslog.MethodUnknown), Path: a.path,
		Traceparent: a.trace, Took: 30 * time.Millisecond, Status: a.code, Flags: a.flags, Received: 30, Sent: 7,
		Judged: contract.Judged{Method: a.method, Tool: a.tool, Era: a.era, Verdict: a.verdict, Session: a.session, Listed: a.listed},
	}
}

// call is a tool call of adapter a that went well.
func call(tool string) asked {
	return asked{route: "a/session", path: "/mcp", http: http.MethodPost, method: "tools/call", tool: tool, era: "legacy", verdict: "allow", session: "s", code: 200}
}

// meter counts at once, at the time of clock.
type meter struct {
	*Meter
	reg   *prometheus.Registry
	clock time.Time
	gone  []string
}

func newMeter() *meter {
	m := &meter{reg: prometheus.NewPedanticRegistry(), clock: time.Unix(0, 0)}
	m.Meter = New(Config{
		Now: func() time.Time { return m.clock }, Dropped: func(adapter string) { m.gone = append(m.gone, adapter) },
	}, m.reg)
	return m
}

func (m *meter) take(all ...asked) {
	for _, a := range all {
		m.Take(a.entry())
	}
	m.drain()
}

func (m *meter) want(t *testing.T, text string, names ...string) {
	t.Helper()
	var want strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			want.WriteString(line + "\n")
		}
	}
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, family := range families {
		for _, name := range names {
			if family.GetName() != name {
				continue
			}
			var text strings.Builder
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(text.String()) {
				if !strings.HasPrefix(line, "#") {
					got.WriteString(line)
				}
			}
		}
	}
	if got.String() != want.String() {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want.String())
	}
}

func TestRequestsAreCounted(t *testing.T) {
	m := newMeter()
	m.take(
		call("echo"), call("echo"),
		asked{route: "a/birth", http: http.MethodPost, method: "initialize", era: "legacy", verdict: "allow", session: "t", code: 200},
		asked{route: "a/modern", http: http.MethodPost, method: "no/method", era: "modern", verdict: "allow", code: 404},
		asked{route: "a/session", http: http.MethodPost, verdict: "allow", code: 202},
		asked{route: "a/session", http: http.MethodPost, verdict: "too_large", code: 413},
		asked{route: "a/session", http: http.MethodGet, verdict: "allow", code: 0, flags: "DR,unknown"},
		asked{route: "a/session", http: http.MethodPut, code: 777},
		// The external processor was away: nothing but the route is known.
		asked{route: "a/session", http: http.MethodPost, code: 503, flags: "UAEX"},
		asked{path: "/adapters/unknown/mcp?x=1", http: http.MethodPost, code: 404},
		asked{code: 400}, // what could not be read
		asked{path: "/adapters/a", http: http.MethodGet, code: 200},
		asked{path: "/adapters/a/b/mcp", http: http.MethodGet, code: 200},
	)
	m.want(t, `
		mooring_era_requests_total{adapter="",era="unknown"} 2
		mooring_era_requests_total{adapter="a",era="legacy"} 3
		mooring_era_requests_total{adapter="a",era="modern"} 1
		mooring_era_requests_total{adapter="a",era="unknown"} 5
		mooring_request_bytes_total{adapter=""} 60
		mooring_request_bytes_total{adapter="a"} 270
		mooring_requests_total{adapter="",code="400",method="unseen"} 1
		mooring_requests_total{adapter="",code="404",method="unseen"} 1
		mooring_requests_total{adapter="a",code="0",method="GET"} 1
		mooring_requests_total{adapter="a",code="200",method="initialize"} 1
		mooring_requests_total{adapter="a",code="200",method="tools/call"} 2
		mooring_requests_total{adapter="a",code="202",method="response"} 1
		mooring_requests_total{adapter="a",code="404",method="other"} 1
		mooring_requests_total{adapter="a",code="413",method="unseen"} 1
		mooring_requests_total{adapter="a",code="503",method="unseen"} 1
		mooring_requests_total{adapter="a",code="other",method="other"} 1
		mooring_response_bytes_total{adapter=""} 14
		mooring_response_bytes_total{adapter="a"} 63
		mooring_response_flags_total{adapter="a",flag="DR"} 1
		mooring_response_flags_total{adapter="a",flag="UAEX"} 1
		mooring_sessions_active{adapter="a"} 2
		mooring_tool_requests_total{adapter="a",code="200",tool="echo"} 2
	`, "mooring_requests_total", "mooring_era_requests_total", "mooring_request_bytes_total", "mooring_response_bytes_total",
		"mooring_response_flags_total", "mooring_tool_requests_total", "mooring_sessions_active")
}

func TestSessionsAndStreams(t *testing.T) {
	m := newMeter()
	second, ended := call("echo"), call("echo")
	second.session, ended.session = "two", "three"
	m.take(call("echo"), second, ended)
	m.Opened("a", "stream")
	m.Opened("a", "other")
	m.Opened("a", "")
	m.want(t, `
		mooring_sessions_active{adapter="a"} 3
		mooring_streams_active{adapter="a"} 2
	`, "mooring_sessions_active", "mooring_streams_active")

	m.take(asked{id: "stream", code: 400}) // an id that a client chose ends no stream
	m.take(asked{route: "a/session", http: http.MethodDelete, verdict: "allow", session: "three", code: 200})
	m.clock = m.clock.Add(2 * time.Minute)
	m.take(
		asked{id: "stream", route: "a/session", http: http.MethodGet, session: "s", open: true},
		asked{id: "unknown", route: "a/session", http: http.MethodGet, session: "s", open: true},
	)
	m.clock = m.clock.Add(2 * time.Minute)
	m.sweep() // nothing was heard of "other"
	m.want(t, `
		mooring_sessions_active{adapter="a"} 2
		mooring_streams_active{adapter="a"} 2
	`, "mooring_sessions_active", "mooring_streams_active")

	m.clock = m.clock.Add(2 * time.Minute)
	m.take(asked{id: "stream", route: "a/session", http: http.MethodGet, session: "s", code: 200})
	m.want(t, `
		mooring_requests_total{adapter="",code="400",method="unseen"} 1
		mooring_requests_total{adapter="a",code="200",method="DELETE"} 1
		mooring_requests_total{adapter="a",code="200",method="GET"} 1
		mooring_requests_total{adapter="a",code="200",method="tools/call"} 3
		mooring_sessions_active{adapter="a"} 1
		mooring_streams_active{adapter="a"} 1
	`, "mooring_requests_total", "mooring_sessions_active", "mooring_streams_active")
}

func TestTheQueueIsBounded(t *testing.T) {
	m := newMeter()
	for range queued + 7 {
		m.Take(call("echo").entry())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ended); err != nil { // what is queued is counted
		t.Error(err)
	}
	m.want(t, fmt.Sprintf(`
		mooring_access_log_dropped_total 7
		mooring_requests_total{adapter="a",code="200",method="tools/call"} %d
	`, queued), "mooring_requests_total", "mooring_access_log_dropped_total")
}

func TestNames(t *testing.T) {
	m := newMeter()
	m.take(call("echo"))
	problems, err := testutil.GatherAndLint(m.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, error %v", problems, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a/session", "/mcp", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tools/call", uint32(200))
	f.Add("", "/adapters/a/mcp", "", "", uint32(0))
	f.Fuzz(func(t *testing.T, route, path, trace, method string, code uint32) {
		r, ok := read(asked{route: route, path: path, trace: trace, method: method, tool: method, code: code, http: http.MethodPost}.entry())
		if ok && (len(r.trace) != 0 && len(r.trace) != 32 || len(codeLabel(r.code)) > 5) {
			t.Errorf("%+v", r)
		}
	})
}

// TestRequestsThatEnvoyLetPass: they have no verdict, and the session of their
// token; one that came no further than Envoy has none.
func TestRequestsThatEnvoyLetPass(t *testing.T) {
	for name, c := range map[string]struct {
		verdict  string
		upstream string
		want     record
	}{
		"passed":           {"", "192.0.2.9:80", record{era: "legacy", session: "s", method: labelUnseen}},
		"ended in Envoy":   {"", "", record{era: labelUnknown, method: labelUnseen}},
		"judged and alive": {"allow", "192.0.2.9:80", record{era: labelUnknown, method: labelResponse}},
	} {
		t.Run(name, func(t *testing.T) {
			entry := asked{route: "a/fast", path: "/mcp", http: http.MethodPost, verdict: c.verdict, code: 200}.entry()
			entry.Token.Session, entry.Upstream = "s", c.upstream
			got, ok := read(entry)
			if !ok || got.adapter != "a" || got.era != c.want.era || got.session != c.want.session || got.method != c.want.method {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
