package wake

import "github.com/prometheus/client_golang/prometheus"

// The values of the label result.
const (
	// resultServed: a replica serves, and the request was sent there.
	resultServed = "served"
	// resultTimeout: none did in time.
	resultTimeout = "timeout"
	// resultFull: as many are held as may be.
	resultFull = "full"
	// resultFailed: all replicas have failed for long, so it was not held.
	resultFailed = "failed"
	// resultUnknown: there is no such adapter, or it has no replicas.
	resultUnknown = "unknown"
	// resultGone: the client left.
	resultGone = "gone"
	// resultMoved: this control plane ended, and another holds it.
	resultMoved = "moved"
	// resultEnded: the end of a session that no replica has.
	resultEnded = "ended"
)

// metrics are those of a Waker.
type metrics struct {
	requests *prometheus.CounterVec
	held     prometheus.Gauge
	took     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_wake_requests_total", Help: "Requests to adapters without a replica that serves, by what became of them.",
		}, []string{"result"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mooring_wake_held_requests", Help: "Requests that are held until a replica serves.",
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mooring_wake_duration_seconds", Help: "Time from the first request that is held for an adapter until a replica serves.",
			Buckets: []float64{.25, .5, 1, 2, 4, 8, 15, 30, 60, 120},
		}),
	}
	for _, result := range []string{
		resultServed, resultTimeout, resultFull, resultFailed, resultUnknown, resultGone, resultMoved, resultEnded,
	} {
		m.requests.WithLabelValues(result)
	}
	r.MustRegister(m.requests, m.held, m.took)
	return m
}

func (m *metrics) count(result string) { m.requests.WithLabelValues(result).Inc() }
