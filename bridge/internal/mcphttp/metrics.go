package mcphttp

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

type metrics struct {
	tools    *tools.Meter
	starts   prometheus.Histogram
	sessions *prometheus.CounterVec
	// full counts refusals, by the limit that was reached.
	full *prometheus.CounterVec
	// unattributed counts notifications that belong to no request.
	unattributed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, calls *tools.Meter, active, inFlight func() int) *metrics {
	m := &metrics{
		tools: calls,
		starts: prometheus.NewHistogram(tools.Histogram("mooring_bridge_initialize_duration_seconds",
			"Time until initialize was answered: the server's own start, where no spare had it behind it.")),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_sessions_total",
			Help: "What happened to sessions: started, recovered, closed, expired, lost, moved.",
		}, []string{"event"}),
		full: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_refusals_total",
			Help: "Requests refused since there were as many of something as there may be: sessions, processes, requests.",
		}, []string{"limit"}),
		unattributed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_bridge_notifications_dropped_total",
			Help: "Notifications of servers in the modern era that belong to no request.",
		}),
	}
	gauge := func(name, help string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(count()) })
	}
	reg.MustRegister(m.starts, m.sessions, m.full, m.unattributed,
		gauge("mooring_bridge_sessions_active", "Sessions that are open now.", active),
		gauge("mooring_bridge_requests_in_flight", "Requests that wait for their server's answer.", inFlight))
	for _, limit := range []string{limitSessions, limitProcesses, limitRequests} {
		m.full.WithLabelValues(limit)
	}
	for _, event := range []string{"started", "recovered", "closed", "expired", "lost", "moved"} {
		m.sessions.WithLabelValues(event)
	}
	return m
}

// What there is a limit of.
const (
	limitSessions  = "sessions"
	limitProcesses = "processes"
	limitRequests  = "requests"
)

// refused counts f, which is because of the limit.
func (m *metrics) refused(limit string, f *refusal) *refusal {
	m.full.WithLabelValues(limit).Inc()
	return f
}

func (m *metrics) session(event string) { m.sessions.WithLabelValues(event).Inc() }

// answered counts a call that is over, if it is a tool's or begins a session.
func (m *metrics) answered(c *call, outcome tools.Outcome) {
	took := time.Since(c.started)
	named := ""
	defer func() { c.over(named, outcome) }()
	switch c.msg.Method {
	case jsonrpc.MethodInitialize:
		m.starts.Observe(took.Seconds())
	case jsonrpc.MethodToolsCall:
		named = m.tools.Answered(c.msg.Name, outcome, took, c.asked.Recorded())
	}
}

// heard counts a call that the server has answered with this line, and learns
// from it what tools there are.
func (m *metrics) heard(c *call, answer jsonrpc.Message, line []byte) {
	m.answered(c, tools.OutcomeOf(answer))
	if c.msg.Method == jsonrpc.MethodToolsList && !answer.Failed {
		m.tools.Learn(answer.At.Result.Of(line))
	}
}
