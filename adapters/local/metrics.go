package local

import "github.com/prometheus/client_golang/prometheus"

// metrics count what happens to bridge processes. How the replicas are is told
// by Instances.
type metrics struct {
	starts, deaths, kills, adoptions prometheus.Counter
}

// newMetrics registers the metrics, unless registerer is nil.
func newMetrics(registerer prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		if registerer != nil {
			registerer.MustRegister(c)
		}
		return c
	}
	return &metrics{
		starts:    counter("mooring_bridge_process_starts_total", "Bridge processes started."),
		deaths:    counter("mooring_bridge_process_deaths_total", "Bridge processes that ended though nobody told them to."),
		kills:     counter("mooring_bridge_process_kills_total", "Bridge processes killed because they did not end in time."),
		adoptions: counter("mooring_bridge_process_adoptions_total", "Bridge processes taken over from an earlier start."),
	}
}
