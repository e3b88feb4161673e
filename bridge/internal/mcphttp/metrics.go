package mcphttp

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// maxTools bounds the values of the tool label; what comes after them is
// counted as otherTool.
const (
	maxTools  = 200
	otherTool = "other"
)

// How a tool call came out.
const (
	outcomeOK        = "ok"
	outcomeToolError = "tool_error" // the tool says that it failed
	outcomeError     = "error"      // the server answered with an error
	outcomeLost      = "lost"       // the server ended before it answered
	outcomeCancelled = "cancelled"
)

type metrics struct {
	toolCalls *prometheus.CounterVec
	durations *prometheus.HistogramVec
	starts    prometheus.Histogram
	sessions  *prometheus.CounterVec
	// unattributed counts notifications that belong to no request.
	unattributed prometheus.Counter

	mu    sync.Mutex
	tools map[string]bool
}

func newMetrics(reg prometheus.Registerer, active func() int) *metrics {
	m := &metrics{
		toolCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_tool_calls_total",
			Help: "Tool calls by tool and by how they came out.",
		}, []string{"tool", "outcome"}),
		durations: prometheus.NewHistogramVec(histogram("mooring_bridge_tool_call_duration_seconds",
			"Time that tool calls took, whatever came out."), []string{"tool"}),
		starts: prometheus.NewHistogram(histogram("mooring_bridge_initialize_duration_seconds",
			"Time until initialize was answered: the server's own start, where no spare had it behind it.")),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_sessions_total",
			Help: "What happened to sessions: started, recovered, closed, expired, lost, moved.",
		}, []string{"event"}),
		unattributed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_bridge_notifications_dropped_total",
			Help: "Notifications of servers in the modern era that belong to no request.",
		}),
		tools: make(map[string]bool),
	}
	reg.MustRegister(m.toolCalls, m.durations, m.starts, m.sessions, m.unattributed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mooring_bridge_sessions_active",
		Help: "Sessions that are open now.",
	}, func() float64 { return float64(active()) }))
	for _, event := range []string{"started", "recovered", "closed", "expired", "lost", "moved"} {
		m.sessions.WithLabelValues(event)
	}
	return m
}

func (m *metrics) session(event string) { m.sessions.WithLabelValues(event).Inc() }

// answered counts a call that is over, if it is a tool's or begins a session.
func (m *metrics) answered(c *call, outcome string) {
	took := time.Since(c.started).Seconds()
	switch c.msg.Method {
	case jsonrpc.MethodInitialize:
		m.starts.Observe(took)
	case jsonrpc.MethodToolsCall:
		tool := m.tool(c.msg.Name, outcome)
		m.toolCalls.WithLabelValues(tool, outcome).Inc()
		m.durations.WithLabelValues(tool).Observe(took)
	}
}

// histogram is native and classic.
func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 60},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

// tool is the label for a name. Clients choose names, so only those that some
// call succeeded with are shown.
func (m *metrics) tool(name, outcome string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.tools[name] && outcome == outcomeOK && name != "" && len(name) <= 128 && len(m.tools) < maxTools {
		m.tools[name] = true
	}
	if m.tools[name] {
		return name
	}
	return otherTool
}

func outcomeOf(m jsonrpc.Message) string {
	switch {
	case m.Failed:
		return outcomeError
	case m.IsError:
		return outcomeToolError
	}
	return outcomeOK
}
