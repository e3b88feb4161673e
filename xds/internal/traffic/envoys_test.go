package traffic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

// statistics are what Envoy counts: its uptime, and of adapter a the requests that
// have begun and those that are open.
func statistics(uptime, begun, open int) string {
	return fmt.Sprintf(`# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{envoy_cluster_name="mooring_internal_ads"} 9
envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} %d
# TYPE envoy_cluster_upstream_rq_active gauge
envoy_cluster_upstream_rq_active{envoy_cluster_name="a"} %d
# TYPE envoy_server_uptime gauge
envoy_server_uptime{} %d
`, begun, open, uptime)
}

// pod is an Envoy with its processor, on an address of its own.
type pod struct {
	*httptest.Server

	mu              sync.Mutex
	metrics, counts string // empty: cannot be read
}

func (p *pod) show(metrics, counts string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metrics, p.counts = metrics, counts
}

func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := map[string]string{"/metrics/extproc": p.metrics, "/metrics/envoy": p.counts}[r.URL.Path]
	if filter := r.URL.Query().Get("filter"); text == "" || r.Method != http.MethodGet || strings.HasSuffix(r.URL.Path, "envoy") && filter != callsFilter {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, text)
}

// fleet is some pods behind one name, and a meter of them.
type fleet struct {
	*meter
	port  string
	pods  map[string]*pod
	names []string // what the name has
	err   error    // of looking it up
	known []*source
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{port: "0", pods: make(map[string]*pod)}
	f.meter = &meter{t: t, clock: begin}
	f.start("127.0.0.1")
	f.start("127.0.0.2")
	f.Meter = New(Config{
		Find:  Pods("envoys", f.port, func(context.Context, string) ([]string, error) { return f.names, f.err }),
		Store: new(adapterstest.Store), Log: slog.New(slog.DiscardHandler),
	})
	f.now = func() time.Time { return f.clock }
	t.Cleanup(func() {
		for _, s := range f.known {
			s.client.CloseIdleConnections()
		}
	})
	return f
}

// start lets a pod be at the address.
func (f *fleet) start(address string) {
	f.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, f.port))
	if err != nil {
		f.t.Fatal(err)
	}
	_, f.port, _ = net.SplitHostPort(l.Addr().String())
	p := new(pod)
	p.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: p, ReadHeaderTimeout: time.Second}}
	p.Start()
	f.t.Cleanup(p.Close)
	f.pods[address] = p
	f.names = append(f.names, address)
}

// look looks which pods there are and reads each, some time later.
func (f *fleet) look(after time.Duration) {
	f.t.Helper()
	f.clock = f.clock.Add(after)
	envoys, err := f.cfg.Find(f.t.Context())
	if err == nil {
		come, _ := f.know(envoys)
		f.known = append(f.known, come...)
	}
	for _, s := range f.known {
		if s.here() {
			f.measure(f.t.Context(), s)
		}
	}
}

func (f *fleet) end(address string) {
	f.pods[address].Close()
	f.names = slices.DeleteFunc(slices.Clone(f.names), func(name string) bool { return name == address })
}

// processor is what a processor shows that started then.
func processor(started time.Time, ok, sessions int) string {
	return metrics(int(started.Unix()), ok, 0, 0, ok, 0, sessions)
}

// TestTrafficOfSeveral: what is shown is the sum, and says where it is not all.
func TestTrafficOfSeveral(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}}
	f := newFleet(t)
	one, two := f.pods["127.0.0.1"], f.pods["127.0.0.2"]
	old := begin.Add(-time.Hour)
	want := func(what string, requests, sessions int, complete bool) {
		t.Helper()
		got := f.Traffic(a)
		if got == nil || got.Requests != requests || got.Sessions != sessions || got.Incomplete == complete {
			t.Errorf("%s: %+v", what, got)
		}
	}
	one.show(processor(old, 100, 1), statistics(3600, 1, 0))
	two.show(processor(old, 200, 2), statistics(3600, 1, 0))
	f.look(0)
	if got := f.Traffic(a); got != nil {
		t.Errorf("after one reading: %+v", got)
	}
	one.show(processor(old, 110, 1), statistics(3605, 1, 0))
	two.show(processor(old, 205, 2), statistics(3605, 1, 0))
	f.look(every)
	want("both", 15, 3, true)
	if got := f.Traffic(a); got.WindowSeconds != 5 || got.P50Seconds == nil {
		t.Errorf("both: %+v", got)
	}

	f.start("127.0.0.3") // which counted before it was found
	f.pods["127.0.0.3"].show("", "")
	f.look(every)
	want("one that is not ready", 15, 3, false)
	f.pods["127.0.0.3"].show(processor(f.clock, 7, 1), statistics(5, 7, 0))
	f.look(every)
	want("it and what it did at once", 22, 4, true)

	two.show("", "")
	f.look(fresh + time.Second)
	want("one that cannot be read", 22, 2, false)
	two.show(processor(old, 206, 2), statistics(3650, 1, 0))
	f.look(every)
	want("it is back", 23, 4, true)

	f.end("127.0.0.2")
	f.look(every)
	want("one that ended", 23, 2, false)
	for range window / every {
		f.look(every)
	}
	want("long after", 0, 2, false)
	f.look(every)
	want("longer after", 0, 2, true)

	f.end("127.0.0.1")
	f.end("127.0.0.3")
	f.err = errors.New("no such host")
	f.look(fresh + time.Second)
	if got := f.Traffic(a); got != nil {
		t.Errorf("of nobody: %+v", got)
	}
}

// TestOldStranger: one that is found late and did much before counts from then on.
func TestOldStranger(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}}
	f := newFleet(t)
	for _, p := range f.pods {
		p.show(processor(begin, 1, 0), statistics(1, 1, 0))
	}
	f.look(0)
	f.look(time.Hour)
	f.start("127.0.0.3")
	f.pods["127.0.0.3"].show(processor(begin, 1000, 0), statistics(3600, 1000, 0))
	f.look(every)
	f.pods["127.0.0.3"].show(processor(begin, 1001, 0), statistics(3605, 1001, 0))
	f.look(every)
	if got := f.Traffic(a); got == nil || got.Requests != 1 || !got.Incomplete {
		t.Errorf("%+v", got)
	}
}

// TestIdleSince: an adapter is idle since its last use at any Envoy, and nobody
// says so where one of them might know better.
func TestIdleSince(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}}
	f := newFleet(t)
	one, two := f.pods["127.0.0.1"], f.pods["127.0.0.2"]
	up := 3600
	// both lets time pass, in which they have begun and have open that much.
	both := func(begun1, open1, begun2, open2 int) {
		t.Helper()
		up += 5
		one.show(processor(begin, 1, 0), statistics(up, begun1, open1))
		two.show(processor(begin, 1, 0), statistics(up, begun2, open2))
		f.look(every)
	}
	want := func(what string, since time.Time) {
		t.Helper()
		if got, ok := f.IdleSince(a); !ok || !got.Equal(since) {
			t.Errorf("%s: idle since %v (%t), want %v", what, got, ok, since)
		}
	}
	unknown := func(what string) {
		t.Helper()
		if got, ok := f.IdleSince(a); ok {
			t.Errorf("%s: idle since %v", what, got)
		}
	}

	unknown("nothing was read")
	both(0, 0, 0, 0)
	start := f.clock
	want("nothing came", start)
	both(0, 0, 0, 0)
	want("nothing came yet", start)
	both(0, 0, 1, 1)
	want("one came", f.clock)
	both(0, 0, 1, 1)
	want("it is open", f.clock)
	both(0, 0, 1, 0)
	last := f.clock
	want("it ended", last)
	both(0, 0, 1, 0)
	want("it has ended", last)
	if got, ok := f.IdleSince(adapters.Adapter{CreatedAt: f.clock}); !ok || !got.Equal(f.clock) {
		t.Errorf("of one that is new: idle since %v (%t)", got, ok)
	}

	up += 31
	one.show(processor(begin, 1, 0), statistics(up, 0, 0))
	two.show("", "")
	f.look(fresh + time.Second)
	unknown("one cannot be read")
	both(0, 0, 1, 0)
	want("it is back, and did nothing", last)

	f.Connect(func() int { return 3 })
	unknown("there is an Envoy that nobody reads")
	f.Connect(func() int { return 2 })
	want("both are read", last)
	f.err = errors.New("no such host")
	both(0, 0, 1, 0)
	want("the name cannot be looked up", last)
	for range 1 + fresh/every {
		both(0, 0, 1, 0)
	}
	unknown("the name cannot be looked up for long")
	f.err = nil
	both(0, 0, 1, 0)
	want("the name is back", last)

	f.start("127.0.0.3")
	both(0, 0, 1, 0)
	unknown("another has come")
	f.pods["127.0.0.3"].show(processor(f.clock, 0, 0), statistics(5, 0, 0))
	both(0, 0, 1, 0)
	want("it did nothing", last)
	up -= 3000
	both(0, 0, 1, 0)
	want("an Envoy started anew", f.clock)
	last = f.clock
	both(0, 0, 1, 0)
	f.end("127.0.0.1")
	f.look(every)
	want("one ended", f.clock)
}

// TestRunOfSeveral: those that come are read, and those that go are not.
func TestRunOfSeveral(t *testing.T) {
	f := newFleet(t)
	for _, p := range f.pods {
		p.show(processor(begin, 1, 0), statistics(1, 0, 0))
	}
	f.now = time.Now
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	for {
		if _, ok := f.IdleSince(adapters.Adapter{Spec: adapters.Spec{Name: "a"}}); ok {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal("nobody is read")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
