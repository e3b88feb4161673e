// Package traffic measures the adapters' requests: it reads the external
// processor's metrics again and again, and keeps what they gained in the last
// minutes. It tells the processor which adapters are no more. What it could not read it does not know, and it never guesses.
package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// window is how far back a summary goes.
	window = 5 * time.Minute
	// every is the time between two readings, unless reading takes more than one
	// part in share of it.
	every = 5 * time.Second
	share = 20
	// fresh is how old the last reading may be to be told of.
	fresh = 30 * time.Second
	// patience bounds a reading.
	patience = 5 * time.Second
)

// Lister keeps adapters: the part of adapters.Store that is needed here.
type Lister interface {
	List(ctx context.Context) ([]adapters.Adapter, error)
}

// Meter measures. It is safe for use by several goroutines.
type Meter struct {
	store  Lister
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	last    *reading // nil before the first
	gains   []gain   // oldest first
	missing bool     // the last attempt failed
}

// New makes a Meter of the external processor whose operations socket that is.
// It measures while Run runs, and has the processor drop the series of adapters
// that the store has no more.
func New(socket string, store Lister, log *slog.Logger) *Meter {
	return &Meter{store: store, log: log, now: time.Now, client: &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	defer m.client.CloseIdleConnections()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			start := m.now()
			if r := m.measure(ctx); r != nil {
				m.tidy(ctx, r)
			}
			timer.Reset(max(every, share*m.now().Sub(start)))
		case <-ctx.Done():
			return nil
		}
	}
}

// measure takes one reading and returns it. Where that fails it returns nil; that
// the processor is away is told once.
func (m *Meter) measure(ctx context.Context) *reading {
	r, err := m.read(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if !m.missing && ctx.Err() == nil {
			m.log.Warn("the external processor's metrics cannot be read: status shows no traffic", "error", err)
		}
		m.missing = true
		return nil
	}
	m.missing = false
	m.add(r)
	return r
}

// tidy has the processor drop the series of adapters that are no more. What is
// read before the adapters are listed cannot be of one that is new.
func (m *Meter) tidy(ctx context.Context, r *reading) {
	list, err := m.store.List(ctx)
	if err != nil {
		m.log.Debug("series of deleted adapters stay for now", "error", err)
		return
	}
	there := make(map[string]bool, len(list))
	for _, a := range list {
		there[a.Name] = true
	}
	for name := range r.by {
		if name == "" || there[name] {
			continue
		}
		if err := m.forget(ctx, name); err != nil {
			m.log.Debug("series of deleted adapters stay for now", "error", err)
			return
		}
	}
}

func (m *Meter) forget(ctx context.Context, adapter string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://extproc"+contract.PathSeries+url.PathEscape(adapter), nil)
	if err != nil {
		return fmt.Errorf("forgetting adapter %q: %w", adapter, err)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return fmt.Errorf("forgetting adapter %q: %w", adapter, err)
	}
	_ = response.Body.Close() // it has none
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("forgetting adapter %q: status %d", adapter, response.StatusCode)
	}
	return nil
}

func (m *Meter) read(ctx context.Context) (*reading, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://extproc/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading metrics: status %d", response.StatusCode)
	}
	return parse(response.Body, m.now())
}

// add keeps what was gained since the last reading. m.mu is held.
func (m *Meter) add(r *reading) {
	if m.last != nil {
		m.gains = append(m.gains, r.since(m.last))
	}
	m.last = r
	for len(m.gains) > 0 && r.at.Sub(m.gains[0].from) > window {
		m.gains = m.gains[1:]
	}
}

// Traffic implements adapters.TrafficMeter. An adapter does not inherit from an
// earlier one of its name.
func (m *Meter) Traffic(a adapters.Adapter) *adapters.Traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil || len(m.gains) == 0 || m.now().Sub(m.last.at) > fresh {
		return nil
	}
	total, from := counts{}, m.last.at
	for _, g := range m.gains {
		if g.to.Before(a.CreatedAt) {
			continue
		}
		if g.from.Before(from) {
			from = g.from
		}
		total.add(g.by[a.Name])
	}
	if from.Before(a.CreatedAt) {
		from = a.CreatedAt
	}
	return &adapters.Traffic{
		WindowSeconds: int(m.last.at.Sub(from).Seconds()),
		AsOf:          m.last.at.UTC().Truncate(time.Second),
		Requests:      int(total.requests), Errors: int(total.errors), Refused: int(total.refused),
		P50Seconds: total.quantile(m.last.bounds, 0.50), P99Seconds: total.quantile(m.last.bounds, 0.99),
		Sessions: m.last.sessions[a.Name],
	}
}
