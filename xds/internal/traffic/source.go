package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// maxText bounds what is read at once: far above what ten thousand adapters need.
const maxText = 256 << 20

// source is an Envoy that is read again and again. The Meter's mutex guards what
// is below it.
type source struct {
	envoy  Envoy
	client *http.Client
	// found is when it was, and late that it was not among the first.
	found time.Time
	late  bool

	last    *reading // of the processor; nil before the first
	gains   []gain   // oldest first
	calls   *calls   // the last reading of Envoy; nil before the first
	missing bool     // the last attempt failed
	left    time.Time
}

// here reports whether it is still among the Envoys that there are.
func (s *source) here() bool { return s.left.IsZero() }

// follow reads s until ctx ends.
func (m *Meter) follow(ctx context.Context, s *source) {
	defer s.client.CloseIdleConnections()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			start := m.now()
			if r := m.measure(ctx, s); r != nil && s.envoy.Series != "" {
				m.tidy(ctx, s, r)
			}
			timer.Reset(min(max(every, share*m.now().Sub(start)), longest))
		case <-ctx.Done():
			return
		}
	}
}

// measure takes one reading, and returns that of the processor. Where that fails it
// returns nil; that a source is away is told once.
func (m *Meter) measure(ctx context.Context, s *source) *reading {
	r, failed := s.read(ctx, m.now)
	c, err := s.readCalls(ctx, m.now)
	failed = errors.Join(failed, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	if failed != nil && !s.missing {
		m.cfg.Log.Warn("an Envoy and its processor cannot be read: what they count is unknown", "envoy", s.envoy.Name, "error", failed)
	}
	s.missing = failed != nil
	if r != nil {
		s.add(r)
	}
	if c != nil {
		m.use(s, c)
	}
	return r
}

// add keeps what was gained since the last reading. A process that comes to others
// just after its start is known from that on. The Meter's mutex is held.
func (s *source) add(r *reading) {
	switch {
	case s.last != nil:
		s.gains = append(s.gains, r.since(s.last))
	case s.late && r.start >= float64(s.found.Add(-fresh).Unix()):
		s.gains = append(s.gains, r.since(&reading{at: s.found, start: r.start}))
	case s.late:
		// When it counted what it has is unknown.
		s.gains = append(s.gains, gain{from: s.found, to: r.at, lossy: true})
	}
	s.last = r
	s.prune(r.at)
}

// prune forgets what was gained before the window.
func (s *source) prune(now time.Time) {
	for len(s.gains) > 0 && now.Sub(s.gains[0].from) > window {
		s.gains = s.gains[1:]
	}
}

// read reads the processor's metrics.
func (s *source) read(ctx context.Context, now func() time.Time) (*reading, error) {
	response, err := s.ask(ctx, http.MethodGet, s.envoy.Metrics, http.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	return parse(http.MaxBytesReader(nil, response.Body, maxText), now())
}

// readCalls reads what Envoy counts; nil where that is not told.
func (s *source) readCalls(ctx context.Context, now func() time.Time) (*calls, error) {
	if s.envoy.Calls == "" {
		return nil, nil
	}
	response, err := s.ask(ctx, http.MethodGet, s.envoy.Calls, http.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("reading statistics: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	return parseCalls(http.MaxBytesReader(nil, response.Body, maxText), now())
}

// forget has the processor drop the series of an adapter.
func (s *source) forget(ctx context.Context, adapter string) error {
	response, err := s.ask(ctx, http.MethodDelete, s.envoy.Series+url.PathEscape(adapter), http.StatusNoContent)
	if err != nil {
		return fmt.Errorf("forgetting adapter %q: %w", adapter, err)
	}
	return response.Body.Close()
}

// ask returns an answer of that status.
func (s *source) ask(ctx context.Context, method, path string, status int) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.envoy.host()+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != status {
		_ = response.Body.Close() // it says no more
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return response, nil
}
