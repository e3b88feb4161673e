package traffic

import (
	"slices"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// summary adds up what the sources know of one adapter.
type summary struct {
	adapters.Traffic
	total  counts
	bounds []float64
	// mixed says that sources have different buckets, which cannot be added.
	mixed bool
	// known says that some source that can be read has told what it gained, and from
	// and to are the time of that.
	known    bool
	from, to time.Time
}

// Traffic implements adapters.TrafficMeter. An adapter does not inherit from an
// earlier one of its name.
func (m *Meter) Traffic(a adapters.Adapter) *adapters.Traffic {
	connected := m.connected()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	t := summary{to: now}
	t.Incomplete = connected > m.here()
	for _, s := range m.sources {
		t.add(s, a, now)
	}
	if !t.known {
		return nil
	}
	if t.from.Before(a.CreatedAt) {
		t.from = a.CreatedAt
	}
	t.WindowSeconds = int(t.to.Sub(t.from).Seconds())
	t.AsOf = t.to.UTC().Truncate(time.Second)
	t.Requests, t.Errors, t.Refused = int(t.total.requests), int(t.total.errors), int(t.total.refused)
	if !t.mixed {
		t.P50Seconds, t.P99Seconds = t.total.quantile(t.bounds, 0.50), t.total.quantile(t.bounds, 0.99)
	}
	return &t.Traffic
}

// add adds what s knows, if anything. What it gained stays, wherever it is now.
func (t *summary) add(s *source, a adapters.Adapter, now time.Time) {
	current := s.here() && s.last != nil && now.Sub(s.last.at) <= fresh
	// An Envoy that has ended is incomplete while its last minutes are of interest.
	if !current {
		t.Incomplete = true
	}
	if current {
		t.Sessions += s.last.sessions[a.Name]
		if s.last.at.Before(t.to) {
			t.to = s.last.at
		}
	}
	for _, g := range s.gains {
		if now.Sub(g.from) > window || g.to.Before(a.CreatedAt) {
			continue
		}
		if current {
			t.known = true
		}
		if t.from.IsZero() || g.from.Before(t.from) {
			t.from = g.from
		}
		t.Incomplete = t.Incomplete || g.lossy
		t.count(g.by[a.Name], g.bounds)
	}
}

// count adds counts with those bounds.
func (t *summary) count(c counts, bounds []float64) {
	if len(c.buckets) > 0 {
		if t.bounds == nil {
			t.bounds = bounds
		}
		t.mixed = t.mixed || !slices.Equal(t.bounds, bounds)
	}
	t.total.add(c)
}
