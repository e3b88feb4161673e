package traffic

import (
	"context"
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
