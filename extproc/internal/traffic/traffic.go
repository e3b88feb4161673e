// Package traffic turns Envoy's access log into metrics: each request of the
// adapters' endpoints counts once, whoever answered it. It is behind a bounded
// queue, so that no request and no log ever waits for it. It knows nothing of
// how entries come, and judges nobody.
//
// What clients send becomes a label only where there are few values of it; see
// labels.go. Series of adapters without requests go after a while, and so those
// of adapters that are no more.
package traffic

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

const (
	// queued bounds the entries that wait to be counted, a few hundred bytes
	// each.
	queued = 16 << 10
	// countEvery is how long they wait: to wake who counts for each would cost more
	// than to count it.
	countEvery = 100 * time.Millisecond
	// sweepEvery is how often what has aged is looked for.
	sweepEvery = 10 * time.Second
)

// Config is what a Meter works with. Zero fields mean the defaults.
type Config struct {
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Quiet is how long an adapter may have no request before its series are
	// dropped. Zero means an hour.
	Quiet time.Duration
	// Dropped is told of each adapter whose series are dropped, so that others
	// drop theirs. Nil means nobody.
	Dropped func(adapter string)
}

// Meter counts requests. It is safe for use by several goroutines.
type Meter struct {
	cfg     Config
	metrics *metrics
	queue   queue

	mu       sync.Mutex
	adapters map[string]*adapter
	sessions int               // of all adapters
	streams  map[string]stream // by the id of the request
}

// New makes a Meter whose metrics are registered with reg. It counts while Run
// runs.
func New(cfg Config, reg prometheus.Registerer) *Meter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = time.Hour
	}
	if cfg.Dropped == nil {
		cfg.Dropped = func(string) {}
	}
	m := &Meter{
		cfg: cfg, metrics: newMetrics(reg),
		adapters: make(map[string]*adapter), streams: make(map[string]stream),
	}
	reg.MustRegister(gauges{m}, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mooring_access_log_queue_entries",
		Help: "Entries of Envoy's access log that wait to be counted.",
	}, func() float64 { return float64(m.queue.len()) }))
	return m
}

// Take queues an entry of the log of all requests. It never waits: where the
// queue is full, the entry is dropped and that is counted.
func (m *Meter) Take(entry *accesslog.Entry) {
	r, ok := read(entry)
	if !ok {
		return
	}
	if !m.queue.put(r) {
		m.metrics.dropped.Inc()
	}
}

// Run counts what is queued until ctx ends, and then the rest of it.
func (m *Meter) Run(ctx context.Context) error {
	count, sweep := time.NewTicker(countEvery), time.NewTicker(sweepEvery)
	defer count.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-count.C:
			m.drain()
		case <-sweep.C:
			m.sweep()
		case <-ctx.Done():
			m.drain()
			return nil
		}
	}
}

// drain counts what is queued now.
func (m *Meter) drain() {
	for _, r := range m.queue.take() {
		m.count(r)
	}
}

// count counts one request, or notes that it is still open.
func (m *Meter) count(r record) {
	if !r.ended {
		m.renew(r)
		return
	}
	seen := m.note(r)
	m.metrics.observe(r, seen)
}
