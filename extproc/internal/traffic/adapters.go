package traffic

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// maxAdapters bounds those that have series. Further ones count as none.
	maxAdapters = 10_000
	// maxListed bounds the tools of an adapter that have series, of those that its
	// server has listed; and maxTools, where that is not known, the first that an
	// answer of 2xx was had for. Further ones are "other".
	maxListed = 200
	maxTools  = 50
	// maxSessions and maxStreams bound what is remembered of all adapters.
	maxSessions = 100_000
	maxStreams  = 100_000

	// activeFor is how long a session counts as active after its last request.
	activeFor = 5 * time.Minute
	// openFor is how long a stream counts as open without a sign of it: Envoy
	// gives one each minute.
	openFor = 150 * time.Second
)

// adapter is what is remembered of one.
type adapter struct {
	last     time.Time // request
	tools    map[string]bool
	sessions map[string]time.Time // by hash: its last request
}

// stream is a request that is open for long.
type stream struct {
	adapter string
	last    time.Time // sign of it
}

// labels are the values of labels for a request.
type labels struct{ adapter, tool string }

// note remembers that the request has ended, and returns its labels.
func (m *Meter) note(r record) labels {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.adapter == "" {
		// It was no stream, and may have an id of the client's choice.
		return labels{}
	}
	delete(m.streams, r.id)
	a := m.adapter(r.adapter)
	if a == nil {
		return labels{}
	}
	m.seen(a, r)
	return labels{adapter: r.adapter, tool: a.tool(r)}
}

// adapter is the adapter of that name, or nil where there are too many. m.mu is
// held.
func (m *Meter) adapter(name string) *adapter {
	a := m.adapters[name]
	if a == nil {
		if len(m.adapters) >= maxAdapters {
			return nil
		}
		a = &adapter{tools: make(map[string]bool), sessions: make(map[string]time.Time)}
		m.adapters[name] = a
	}
	a.last = m.cfg.Now()
	return a
}

// seen notes the request's session. m.mu is held.
func (m *Meter) seen(a *adapter, r record) {
	if r.session == "" {
		return
	}
	_, known := a.sessions[r.session]
	switch ends := r.method == "DELETE" && r.code/100 == 2; {
	case ends:
		m.forget(a, r.session)
	case known:
		a.sessions[r.session] = a.last
	case m.sessions < maxSessions:
		a.sessions[r.session] = a.last
		m.sessions++
	}
}

// forget forgets a session, if it is known. m.mu is held.
func (m *Meter) forget(a *adapter, hash string) {
	if _, known := a.sessions[hash]; known {
		delete(a.sessions, hash)
		m.sessions--
	}
}

// tool is the label for the tool that was called, or empty. Clients choose
// names, so only those that are good for something are shown.
func (a *adapter) tool(r record) string {
	if r.method != "tools/call" {
		return ""
	}
	if r.tool != "" && len(a.tools) < r.roomForTools() {
		a.tools[r.tool] = true
	}
	if a.tools[r.tool] {
		return r.tool
	}
	return labelOther
}

// roomForTools is how many tools of an adapter may have series if this one's is
// new.
func (r record) roomForTools() int {
	switch {
	case r.listed == contract.ListedYes:
		return maxListed
	case r.listed == "" && r.code/100 == 2:
		return maxTools
	}
	return 0
}

// Opened notes that a stream of the adapter was let through: the request of that
// id is open until the log says that it has ended.
func (m *Meter) Opened(adapter, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.adapter(adapter) != nil {
		m.open(adapter, id)
	}
}

// open notes a sign of a stream. m.mu is held.
func (m *Meter) open(adapter, id string) {
	if _, known := m.streams[id]; id != "" && (known || len(m.streams) < maxStreams) {
		m.streams[id] = stream{adapter: adapter, last: m.cfg.Now()}
	}
}

// renew notes that a request is still open. One that is not known, as after a
// start, counts from now on.
func (m *Meter) renew(r record) {
	if r.adapter == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapter(r.adapter); a != nil {
		m.open(r.adapter, r.id)
		m.seen(a, r)
	}
}

// Forget drops the series of an adapter that is no more, within seconds. A
// request of it that is still counted brings some back: then it is to be told
// again.
func (m *Meter) Forget(adapter string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapter(adapter); a != nil {
		a.last = time.Time{}
	}
}

// sweep forgets what has aged.
func (m *Meter) sweep() {
	var quiet []string
	m.mu.Lock()
	now := m.cfg.Now()
	for id, s := range m.streams {
		if now.Sub(s.last) > openFor {
			delete(m.streams, id)
		}
	}
	for name, a := range m.adapters {
		for hash, last := range a.sessions {
			if now.Sub(last) > activeFor {
				m.forget(a, hash)
			}
		}
		if now.Sub(a.last) > m.cfg.Quiet {
			m.sessions -= len(a.sessions)
			delete(m.adapters, name)
			quiet = append(quiet, name)
		}
	}
	m.mu.Unlock()
	for _, name := range quiet {
		m.metrics.drop(name)
		m.cfg.Dropped(name)
	}
}

// gauges collect what is remembered now.
type gauges struct{ *Meter }

// The descriptions of what gauges collect.
func (gauges) descs() (sessions, streams *prometheus.Desc) {
	return prometheus.NewDesc("mooring_sessions_active", "Sessions with a request in the last five minutes.", []string{"adapter"}, nil),
		prometheus.NewDesc("mooring_streams_active", "Streams that are open, and answers that have taken more than a minute.", []string{"adapter"}, nil)
}

// Describe implements prometheus.Collector.
func (g gauges) Describe(out chan<- *prometheus.Desc) {
	sessions, streams := g.descs()
	out <- sessions
	out <- streams
}

// Collect implements prometheus.Collector.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	sessions, streams := g.descs()
	active, open := g.active()
	for name, n := range active {
		out <- prometheus.MustNewConstMetric(sessions, prometheus.GaugeValue, float64(n), name)
		out <- prometheus.MustNewConstMetric(streams, prometheus.GaugeValue, float64(open[name]), name)
	}
}

// active counts sessions and streams by adapter.
func (g gauges) active() (sessions, streams map[string]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.cfg.Now()
	sessions, streams = make(map[string]int, len(g.adapters)), make(map[string]int)
	for name, a := range g.adapters {
		sessions[name] = 0
		for _, last := range a.sessions {
			if now.Sub(last) <= activeFor {
				sessions[name]++
			}
		}
	}
	for _, s := range g.streams {
		streams[s.adapter]++
	}
	return sessions, streams
}
