package snapshot

import (
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters"
)

// The values of the label state: what an adapter's best instance is.
const (
	stateReady    = "ready"
	stateStarting = "starting"
	stateDraining = "draining"
	stateFailed   = "failed"
	stateStopped  = "stopped"
	stateAsleep   = "asleep"
)

type metrics struct {
	adapters *prometheus.GaugeVec
	replicas *prometheus.GaugeVec
	wanted   *prometheus.GaugeVec
	restarts *prometheus.GaugeVec
	ready    prometheus.Histogram
	// programming is of every change, and ready of the first alone.
	programming prometheus.Histogram
	acks        *prometheus.CounterVec
	// shown is what the series of adapters say, by name.
	shown map[string]figures
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		adapters: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mooring_adapters", Help: "Adapters by state of their best instance.",
		}, []string{"state"}),
		replicas: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mooring_adapter_replicas", Help: "Replicas of an adapter by state.",
		}, []string{"adapter", "state"}),
		wanted: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mooring_adapter_replicas_wanted", Help: "Replicas that an adapter is to have.",
		}, []string{"adapter"}),
		restarts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mooring_adapter_restarts", Help: "How often the replicas that an adapter has now were started anew.",
		}, []string{"adapter"}),
		ready: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "mooring_adapter_ready_seconds",
			Help:    "Time from the creation of an adapter until Envoy could first route to it.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 20, 60, 120, 300},
		}),
		programming: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "mooring_xds_programming_seconds",
			Help:    "Time from when a change of an adapter or its replicas was seen until every Envoy worked with it.",
			Buckets: []float64{.01, .025, .05, .1, .2, .3, .5, 1, 2, 5, 10, 30},
		}),
		acks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_xds_acks_total", Help: "Answers of Envoys to pushed configuration.",
		}, []string{"type", "result"}),
	}
	r.MustRegister(m.adapters, m.replicas, m.wanted, m.restarts, m.ready, m.programming, m.acks)
	for _, typ := range []resourcev3.Type{resourcev3.ListenerType, resourcev3.RouteType, resourcev3.ClusterType, resourcev3.EndpointType} {
		for _, result := range []string{"ack", "nack"} {
			m.acks.WithLabelValues(shortType(typ), result)
		}
	}
	return m
}

func (m *metrics) acked(typ resourcev3.Type, accepted bool) {
	result := "nack"
	if accepted {
		result = "ack"
	}
	m.acks.WithLabelValues(shortType(typ), result).Inc()
}

// routable observes an adapter's first route. One that is older than the
// process was routable before.
func (m *metrics) routable(created, started, now time.Time) {
	if created.After(started) {
		m.ready.Observe(now.Sub(created).Seconds())
	}
}

func (m *metrics) count(list []adapters.Adapter, instances map[adapters.UID][]adapters.Instance, asleep func(adapters.UID) bool) {
	counts := map[string]int{stateReady: 0, stateStarting: 0, stateDraining: 0, stateFailed: 0, stateStopped: 0, stateAsleep: 0}
	for _, a := range list {
		state := bestState(instances[a.ID])
		if state == stateStopped && asleep(a.ID) {
			state = stateAsleep
		}
		counts[state]++
	}
	for state, n := range counts {
		m.adapters.WithLabelValues(state).Set(float64(n))
	}
	shown := make(map[string]figures, len(list))
	for _, a := range list {
		now := figuresOf(a, instances[a.ID])
		if asleep(a.ID) {
			now.wanted = 0
		}
		shown[a.Name] = now
		if before, found := m.shown[a.Name]; !found || before != now {
			m.show(a.Name, now)
		}
	}
	for name := range m.shown {
		if _, still := shown[name]; !still {
			m.forget(name)
		}
	}
	m.shown = shown
}

// figures are the numbers that there are of one adapter.
type figures struct{ ready, starting, draining, failed, wanted, restarts int }

func figuresOf(a adapters.Adapter, list []adapters.Instance) figures {
	f := figures{wanted: a.ReplicaCount}
	for _, i := range list {
		f.restarts += i.Restarts
		switch i.State {
		case adapters.InstanceReady:
			f.ready++
		case adapters.InstanceStarting:
			f.starting++
		case adapters.InstanceDraining:
			f.draining++
		case adapters.InstanceFailed:
			f.failed++
		}
	}
	return f
}

func (m *metrics) show(name string, f figures) {
	for state, n := range map[string]int{stateReady: f.ready, stateStarting: f.starting, stateDraining: f.draining, stateFailed: f.failed} {
		m.replicas.WithLabelValues(name, state).Set(float64(n))
	}
	m.wanted.WithLabelValues(name).Set(float64(f.wanted))
	m.restarts.WithLabelValues(name).Set(float64(f.restarts))
}

// forget drops the series of an adapter that was deleted.
func (m *metrics) forget(name string) {
	labels := prometheus.Labels{"adapter": name}
	for _, vec := range []*prometheus.GaugeVec{m.replicas, m.wanted, m.restarts} {
		vec.DeletePartialMatch(labels)
	}
}

// unprogrammed is how long Envoy has not had the configuration of the adapter
// that has waited longest, in seconds; zero where all have what they should.
func (l *Loop) unprogrammed() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, longest := time.Now(), time.Duration(0)
	for _, rec := range l.state.records {
		if rec.condition.Status != adapters.StatusTrue && !rec.condition.LastTransitionTime.IsZero() {
			longest = max(longest, now.Sub(rec.condition.LastTransitionTime))
		}
	}
	return longest.Seconds()
}

func bestState(list []adapters.Instance) string {
	has := make(map[adapters.InstanceState]bool)
	for _, i := range list {
		has[i.State] = true
	}
	switch {
	case has[adapters.InstanceReady]:
		return stateReady
	case has[adapters.InstanceFailed]:
		return stateFailed
	case has[adapters.InstanceStarting]:
		return stateStarting
	case has[adapters.InstanceDraining]:
		return stateDraining
	default:
		return stateStopped
	}
}

// shortType is a type as logs and metrics name it. Envoy may ask for any type,
// so that all others are one.
func shortType(typ resourcev3.Type) string {
	switch typ {
	case resourcev3.ListenerType:
		return "listener"
	case resourcev3.RouteType:
		return "route"
	case resourcev3.ClusterType:
		return "cluster"
	case resourcev3.EndpointType:
		return "endpoint"
	case resourcev3.ExtensionConfigType:
		return "filter"
	default:
		return "other"
	}
}
