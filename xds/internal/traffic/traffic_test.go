package traffic

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// metrics are what the processor shows: of adapter a, ok, failed and refused
// requests, of which those that took so long, and sessions.
func metrics(start, ok, failed, refused, fast, slow, sessions int) string {
	return fmt.Sprintf(`# TYPE process_start_time_seconds gauge
process_start_time_seconds %d
# TYPE mooring_requests_total counter
mooring_requests_total{adapter="a",method="tools/call",code="200"} %d
mooring_requests_total{adapter="a",method="tools/call",code="503"} %d
mooring_requests_total{adapter="a",method="tools/list",code="403"} %d
# TYPE mooring_request_duration_seconds histogram
mooring_request_duration_seconds_bucket{adapter="a",method="tools/call",le="0.1"} %[5]d
mooring_request_duration_seconds_bucket{adapter="a",method="tools/call",le="1"} %[6]d
mooring_request_duration_seconds_bucket{adapter="a",method="tools/call",le="+Inf"} %[6]d
mooring_request_duration_seconds_sum{adapter="a",method="tools/call"} 1
mooring_request_duration_seconds_count{adapter="a",method="tools/call"} %[6]d
mooring_request_duration_seconds_bucket{adapter="a",method="GET",le="0.1"} 0
mooring_request_duration_seconds_bucket{adapter="a",method="GET",le="1"} 0
mooring_request_duration_seconds_bucket{adapter="a",method="GET",le="+Inf"} 99
mooring_request_duration_seconds_sum{adapter="a",method="GET"} 1
mooring_request_duration_seconds_count{adapter="a",method="GET"} 99
# TYPE mooring_sessions_active gauge
mooring_sessions_active{adapter="a"} %[7]d
`, start, ok, failed, refused, fast, fast+slow, sessions)
}

// meter is one that reads what show says, at the time of clock.
type meter struct {
	*Meter
	t     *testing.T
	clock time.Time
}

func newMeter(t *testing.T) *meter {
	m := &meter{t: t, clock: begin}
	m.Meter = New(Config{Find: Socket("none"), Store: new(adapterstest.Store), Log: slog.New(slog.DiscardHandler)})
	m.now = func() time.Time { return m.clock }
	m.find()
	return m
}

// find looks once which Envoys there are.
func (m *meter) find() (come, gone []*source) {
	m.t.Helper()
	envoys, err := m.cfg.Find(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return m.know(envoys)
}

func (m *meter) show(after time.Duration, text string) {
	m.t.Helper()
	m.clock = m.clock.Add(after)
	r, err := parse(strings.NewReader(text), m.clock)
	if err != nil {
		m.t.Fatal(err)
	}
	m.sources["none"].add(r)
}

func seconds(v float64) *float64 { return &v }

func TestTraffic(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}, CreatedAt: begin.Add(-time.Hour)}
	m := newMeter(t)
	if got := m.Traffic(a); got != nil {
		t.Errorf("before any reading: %+v", got)
	}
	m.show(0, metrics(1, 1000, 10, 5, 900, 100, 3))
	if got := m.Traffic(a); got != nil {
		t.Errorf("after one reading: %+v", got)
	}
	m.show(5*time.Second, metrics(1, 1000, 10, 5, 900, 100, 3))
	want := &adapters.Traffic{WindowSeconds: 5, AsOf: m.clock, Sessions: 3}
	if diff := cmp.Diff(want, m.Traffic(a)); diff != "" {
		t.Errorf("nothing came (-want +got):\n%s", diff)
	}
	m.show(5*time.Second, metrics(1, 1096, 12, 7, 980, 120, 4))
	want = &adapters.Traffic{
		WindowSeconds: 10, AsOf: m.clock, Requests: 100, Errors: 2, Refused: 2, Sessions: 4,
		P50Seconds: seconds(0.1 * 50 / 80), P99Seconds: seconds(0.1 + 0.9*19/20),
	}
	if diff := cmp.Diff(want, m.Traffic(a), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A processor that started anew begins at nothing.
	m.show(5*time.Second, metrics(2, 1100, 0, 0, 1100, 0, 1))
	if got := m.Traffic(a); got.Requests != 1200 || got.Errors != 2 || got.Sessions != 1 || !got.Incomplete {
		t.Errorf("after a restart: %+v", got)
	}
	a.CreatedAt = m.clock.Add(-2 * time.Second)
	if got := m.Traffic(a); got.Requests != 1100 || got.WindowSeconds != 2 {
		t.Errorf("of an adapter that was created anew: %+v", got)
	}
	if got := m.Traffic(adapters.Adapter{Spec: adapters.Spec{Name: "b"}}); got.Requests != 0 || got.P50Seconds != nil {
		t.Errorf("of another: %+v", got)
	}
	m.clock = m.clock.Add(fresh + time.Second)
	if got := m.Traffic(a); got != nil {
		t.Errorf("of a processor that is away: %+v", got)
	}
}

// TestForgottenAmidReadings: of an adapter that was made anew, and has had streams
// alone, no times are known.
func TestForgottenAmidReadings(t *testing.T) {
	m := newMeter(t)
	m.show(0, metrics(1, 3, 0, 0, 3, 0, 0))
	m.show(every, `# TYPE process_start_time_seconds gauge
process_start_time_seconds 1
# TYPE mooring_requests_total counter
mooring_requests_total{adapter="a",method="GET",code="200"} 5
`)
	got := m.Traffic(adapters.Adapter{Spec: adapters.Spec{Name: "a"}})
	if got == nil || got.Requests < 2 || got.P50Seconds != nil {
		t.Errorf("got %+v", got)
	}
	// And where it had slower ones since.
	m.show(every, metrics(1, 9, 0, 0, 9, 0, 0))
	m.show(every, metrics(1, 10, 0, 0, 0, 10, 0))
	if got := m.Traffic(adapters.Adapter{Spec: adapters.Spec{Name: "a"}}); *got.P99Seconds <= 0.1 {
		t.Errorf("p99 is %v", *got.P99Seconds)
	}
}

func TestWindowIsBounded(t *testing.T) {
	m := newMeter(t)
	for i := range 200 {
		m.show(every, metrics(1, i, 0, 0, i, 0, 0))
	}
	got := m.Traffic(adapters.Adapter{Spec: adapters.Spec{Name: "a"}})
	if got.WindowSeconds != 300 || got.Requests != 60 || len(m.sources["none"].gains) != 60 {
		t.Errorf("%+v of %d gains", got, len(m.sources["none"].gains))
	}
}

// only is the one Envoy that there is.
func only(t *testing.T, m *Meter) *source {
	t.Helper()
	envoys, err := m.cfg.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	come, _ := m.know(envoys)
	if len(come) != 1 {
		t.Fatalf("%d Envoys are there", len(come))
	}
	return come[0]
}

// TestRun: the socket of a processor is read; one that is away is told of once.
func TestRun(t *testing.T) {
	socket := filepath.Join(envoytest.SocketDir(t), "ops")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	asked, text := 0, metrics(1, 1, 1, 1, 1, 1, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprint(w, text)
	})}
	served := sync.WaitGroup{}
	served.Go(func() { _ = server.Serve(listener) })
	var log strings.Builder
	m := New(Config{Find: Socket(socket), Store: new(adapterstest.Store), Log: slog.New(slog.NewTextHandler(&log, nil))})
	s := only(t, m)
	m.measure(t.Context(), s)
	text = metrics(1, 2, 1, 1, 2, 1, 1)
	m.measure(t.Context(), s)
	if got := m.Traffic(adapters.Adapter{Spec: adapters.Spec{Name: "a"}}); got == nil || got.Requests != 1 || asked != 2 {
		t.Errorf("after %d readings: %+v", asked, got)
	}
	if since, ok := m.IdleSince(adapters.Adapter{}); ok {
		t.Errorf("idle since %v, without a word of Envoy's", since)
	}
	text = "not metrics"
	m.measure(t.Context(), s)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	served.Wait()
	m.measure(t.Context(), s)
	s.client.CloseIdleConnections()
	if strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log:\n%s", log.String())
	}
}

// TestSeriesOfDeletedAdaptersAreDropped: the processor is told of adapters that
// the store does not have, and of no other.
func TestSeriesOfDeletedAdaptersAreDropped(t *testing.T) {
	socket := filepath.Join(envoytest.SocketDir(t), "ops")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			told = append(told, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `# TYPE mooring_requests_total counter
mooring_requests_total{adapter="a",code="200"} 1
mooring_requests_total{adapter="b",code="200"} 1
mooring_requests_total{adapter="",code="404"} 1
`)
	})}
	served := sync.WaitGroup{}
	served.Go(func() { _ = server.Serve(listener) })
	store := new(adapterstest.Store)
	if _, err := store.Create(t.Context(), adapterstest.Example("a")); err != nil {
		t.Fatal(err)
	}
	m := New(Config{Find: Socket(socket), Store: store, Log: slog.New(slog.DiscardHandler)})
	s := only(t, m)
	r := m.measure(t.Context(), s)
	if r == nil {
		t.Fatal("nothing was read")
	}
	m.tidy(t.Context(), s, r)
	s.client.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	served.Wait()
	if want := []string{contract.PathSeries + "b"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{Find: Socket("/nonexistent"), Store: new(adapterstest.Store), Log: slog.New(slog.DiscardHandler)})
		done := make(chan error, 1)
		go func() { done <- m.Run(t.Context()) }()
		time.Sleep(time.Minute) // of the test's own clock
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
}
