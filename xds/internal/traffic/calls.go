package traffic

import (
	"fmt"
	"io"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What Envoy counts itself, of each cluster, which carries the adapter's name. It
// is what tells of use: nothing of it is lost or late, while the log of requests,
// of which the processor's metrics are made, tells of a request when it has ended.
const (
	metricBegun   = "envoy_cluster_upstream_rq_total"
	metricOpen    = "envoy_cluster_upstream_rq_active"
	metricPending = "envoy_cluster_upstream_rq_pending_active"
	metricUptime  = "envoy_server_uptime"
	labelCluster  = "envoy_cluster_name"
)

// uptimeStep is how far Envoy's word for its uptime may be behind: it is renewed
// each five seconds.
const uptimeStep = 10 * time.Second

// calls is what an Envoy has sent to servers, at a time.
type calls struct {
	at     time.Time
	uptime time.Duration
	by     map[string]call
}

// call are the requests to one adapter: those that have begun since Envoy did, and
// those that are open.
type call struct{ begun, open float64 }

// parseCalls reads the text format.
func parseCalls(text io.Reader, at time.Time) (*calls, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("parsing statistics: %w", err)
	}
	c := &calls{at: at, by: make(map[string]call)}
	for _, m := range families[metricUptime].GetMetric() {
		c.uptime = time.Duration(m.GetGauge().GetValue() * float64(time.Second))
	}
	for _, m := range families[metricBegun].GetMetric() {
		one := c.by[label(m, labelCluster)]
		one.begun += m.GetCounter().GetValue()
		c.by[label(m, labelCluster)] = one
	}
	for _, name := range []string{metricOpen, metricPending} {
		for _, m := range families[name].GetMetric() {
			one := c.by[label(m, labelCluster)]
			one.open += m.GetGauge().GetValue()
			c.by[label(m, labelCluster)] = one
		}
	}
	return c, nil
}

// used names the adapters that were in use since the earlier reading, which is nil
// for the first: then all that Envoy did count as that, since nobody knows when.
func (c *calls) used(earlier *calls) []string {
	var names []string
	for name, now := range c.by {
		var before call
		if earlier != nil {
			before = earlier.by[name]
		}
		// One that has begun fewer is a cluster that was made anew.
		if now.begun != before.begun || now.open > 0 || before.open > 0 {
			names = append(names, name)
		}
	}
	return names
}

// restarted reports whether it is another process than at the earlier reading.
func (c *calls) restarted(earlier *calls) bool {
	return c.uptime < earlier.uptime || c.uptime < earlier.uptime+c.at.Sub(earlier.at)-uptimeStep
}
