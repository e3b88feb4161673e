package traffic

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of requests that have ended.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	received  *prometheus.CounterVec
	sent      *prometheus.CounterVec
	eras      *prometheus.CounterVec
	tools     *prometheus.CounterVec
	flags     *prometheus.CounterVec
	dropped   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter("mooring_requests_total",
			"Requests that have ended, by the status of the answer; code 0 is none.", "adapter", "method", "code"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mooring_request_duration_seconds",
			Help:    "Time from a request's first byte to its answer's last.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
			// Native histograms are beside the classic ones.
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"adapter", "method"}),
		received: counter("mooring_request_bytes_total", "Bytes of requests that have ended, head and body.", "adapter"),
		sent:     counter("mooring_response_bytes_total", "Bytes of answers that have ended, head and body.", "adapter"),
		eras:     counter("mooring_era_requests_total", "Requests that have ended, by era of the protocol.", "adapter", "era"),
		tools:    counter("mooring_tool_requests_total", "Requests of tools/call that have ended, by tool.", "adapter", "tool", "code"),
		flags:    counter("mooring_response_flags_total", "What Envoy says went wrong with requests that have ended.", "adapter", "flag"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_access_log_dropped_total",
			Help: "Entries of Envoy's access log that were not counted, since the queue was full.",
		}),
	}
	reg.MustRegister(m.requests, m.durations, m.received, m.sent, m.eras, m.tools, m.flags, m.dropped)
	return m
}

// observe counts a request under the labels that its adapter and tool have.
func (m *metrics) observe(r record, l labels) {
	code := codeLabel(r.code)
	m.requests.WithLabelValues(l.adapter, r.method, code).Inc()
	m.took(m.durations.WithLabelValues(l.adapter, r.method), r)
	m.received.WithLabelValues(l.adapter).Add(float64(r.received))
	m.sent.WithLabelValues(l.adapter).Add(float64(r.sent))
	m.eras.WithLabelValues(l.adapter, r.era).Inc()
	if l.tool != "" {
		m.tools.WithLabelValues(l.adapter, l.tool, code).Inc()
	}
	for _, flag := range r.flags {
		m.flags.WithLabelValues(l.adapter, flag).Inc()
	}
}

// took observes the duration, with the trace as exemplar where there is one.
func (*metrics) took(histogram prometheus.Observer, r record) {
	exemplars, ok := histogram.(prometheus.ExemplarObserver)
	if !ok || r.trace == "" {
		histogram.Observe(r.took.Seconds())
		return
	}
	exemplars.ObserveWithExemplar(r.took.Seconds(), prometheus.Labels{"trace_id": r.trace})
}

// drop forgets all series of the adapter.
func (m *metrics) drop(adapter string) {
	labels := prometheus.Labels{"adapter": adapter}
	for _, vec := range []*prometheus.CounterVec{m.requests, m.received, m.sent, m.eras, m.tools, m.flags} {
		vec.DeletePartialMatch(labels)
	}
	m.durations.DeletePartialMatch(labels)
}
