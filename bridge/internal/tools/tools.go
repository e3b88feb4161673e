// Package tools knows the names of a server's tools and counts what becomes of
// calls to them. Clients choose the names that they call, so a name is a label
// only where the server has it. It knows nothing of how messages come.
package tools

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// otherTool is the label of every name that is not shown.
const otherTool = "other"

// Outcome is how a call came out.
type Outcome string

// The outcomes of calls.
const (
	OK        Outcome = "ok"
	ToolError Outcome = "tool_error" // the tool says that it failed
	Error     Outcome = "error"      // the server answered with an error
	Lost      Outcome = "lost"       // the server was gone before it answered
	Cancelled Outcome = "cancelled"  // by the client
	Unseen    Outcome = "unseen"     // the answer could not be read along
)

// Wrong is the outcome where something went wrong, as far as that was seen, and
// otherwise empty.
func (o Outcome) Wrong() string {
	if o == OK || o == Unseen {
		return ""
	}
	return string(o)
}

// OutcomeOf is what the server's answer says.
func OutcomeOf(answer jsonrpc.Message) Outcome {
	switch {
	case answer.Failed:
		return Error
	case answer.IsError:
		return ToolError
	}
	return OK
}

// Meter counts calls, and knows the Names of the server that they go to. It is
// safe for use by several goroutines.
type Meter struct {
	Names

	calls     *prometheus.CounterVec
	durations *prometheus.HistogramVec

	mu    sync.Mutex
	shown map[string]bool
}

// NewMeter returns a Meter whose metrics are registered with reg. Tools whose
// names are known are shown, and others once a call of them went well.
func NewMeter(reg prometheus.Registerer) *Meter {
	m := &Meter{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_tool_calls_total",
			Help: "Tool calls by tool and by how they came out.",
		}, []string{"tool", "outcome"}),
		durations: prometheus.NewHistogramVec(Histogram("mooring_bridge_tool_call_duration_seconds",
			"Time that tool calls took, whatever came out."), []string{"tool"}),
		shown: make(map[string]bool),
	}
	reg.MustRegister(m.calls, m.durations)
	return m
}

// Answered counts a call that is over, and returns the name that it may be shown
// by: empty where that is not to be shown. Trace is the id of the trace that the
// call is in, as an example of calls that took so long; empty means none.
func (m *Meter) Answered(tool string, outcome Outcome, took time.Duration, trace string) (shown string) {
	tool = m.label(tool, outcome)
	if tool != otherTool {
		shown = tool
	}
	m.calls.WithLabelValues(tool, string(outcome)).Inc()
	histogram := m.durations.WithLabelValues(tool)
	if examples, ok := histogram.(prometheus.ExemplarObserver); ok && trace != "" {
		examples.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
	} else {
		histogram.Observe(took.Seconds())
	}
	return shown
}

// label is the label for a name.
func (m *Meter) label(name string, outcome Outcome) string {
	exists := outcome == OK && isName(name) || m.has(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if exists && len(m.shown) < maxNames {
		m.shown[name] = true
	}
	if m.shown[name] {
		return name
	}
	return otherTool
}

// Histogram are the options of a bridge's histograms of seconds, which are
// native and classic.
func Histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 60},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}
