package traffic

import (
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxUsed bounds the adapters of which the last use is remembered. With more,
// watching begins anew.
const maxUsed = 50_000

// restart begins to watch anew: what was in use before is not known. m.mu is held.
func (m *Meter) restart(now time.Time) {
	m.watched = now
	clear(m.used)
}

// use takes note of what an Envoy did. m.mu is held.
func (m *Meter) use(s *source, c *calls) {
	if s.calls != nil && c.restarted(s.calls) {
		// What the earlier process did after it was last read is known to nobody.
		m.restart(c.at)
	}
	for _, name := range c.used(s.calls) {
		m.used[name] = c.at
	}
	if len(m.used) > maxUsed {
		m.restart(c.at)
	}
	s.calls = c
}

// IdleSince implements adapters.UseMeter. A request is open while a server may
// still answer it, and so are streams of the server's messages; one that is
// refused before a server is asked is none. Known are uses until some seconds ago.
func (m *Meter) IdleSince(a adapters.Adapter) (since time.Time, ok bool) {
	connected := m.connected()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.began.IsZero() || now.Sub(m.found) > fresh {
		return time.Time{}, false
	}
	if here := m.here(); here == 0 || connected > here {
		return time.Time{}, false
	}
	for _, s := range m.sources {
		if s.here() && (s.calls == nil || now.Sub(s.calls.at) > fresh) {
			return time.Time{}, false
		}
	}
	since = m.watched
	for _, later := range []time.Time{m.used[a.Name], a.CreatedAt} {
		if later.After(since) {
			since = later
		}
	}
	return since, true
}
