package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/extproc/internal/decide"
)

// The phases that are timed. The body's time is that of its arrival too.
const (
	phaseHead     = "head"
	phaseBody     = "body"
	phaseResponse = "response"
)

// metrics are counted per adapter, which policies name, and by reasons of which
// there are few: nothing that a client sends becomes a label.
type metrics struct {
	duration *prometheus.HistogramVec
	phases   map[string]prometheus.Observer
	auth     *prometheus.CounterVec
	denials  *prometheus.CounterVec
	sessions *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mooring_extproc_duration_seconds",
			Help:    "Time spent on a phase of a request: head, body (its arrival included), response.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10),
		}, []string{"phase"}),
		auth: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_auth_failures_total",
			Help: "Requests whose credentials were refused.",
		}, []string{"reason"}),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_denials_total",
			Help: "Requests and responses refused for anything but credentials.",
		}, []string{"adapter", "reason"}),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_sessions_total",
			Help: "Sessions created and closed by their clients.",
		}, []string{"adapter", "event"}),
		phases: map[string]prometheus.Observer{},
	}
	for _, phase := range []string{phaseHead, phaseBody, phaseResponse} {
		m.phases[phase] = m.duration.WithLabelValues(phase)
	}
	reg.MustRegister(m.duration, m.auth, m.denials, m.sessions)
	return m
}

func (m *metrics) took(phase string, start time.Time) {
	m.phases[phase].Observe(time.Since(start).Seconds())
}

func (m *metrics) refused(adapter string, r *decide.Refusal) {
	if r.Unauthenticated {
		m.auth.WithLabelValues(r.Reason).Inc()
		return
	}
	m.denials.WithLabelValues(adapter, r.Reason).Inc()
}

func (m *metrics) failed(reason string) { m.denials.WithLabelValues("", reason).Inc() }

func (m *metrics) session(adapter string, event decide.Event) {
	if event != decide.EventNone {
		m.sessions.WithLabelValues(adapter, string(event)).Inc()
	}
}

// Forget drops the series of the adapter.
func (s *Server) Forget(adapter string) {
	labels := prometheus.Labels{"adapter": adapter}
	s.metrics.denials.DeletePartialMatch(labels)
	s.metrics.sessions.DeletePartialMatch(labels)
}
