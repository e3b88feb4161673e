package traffic

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The metrics that are read.
const (
	metricRequests  = "mooring_requests_total"
	metricDurations = "mooring_request_duration_seconds"
	metricSessions  = "mooring_sessions_active"
	metricStart     = "process_start_time_seconds"
)

// reading is the state of the external processor's metrics at a time.
type reading struct {
	at time.Time
	// start is when the process started, from which its counters count.
	start float64
	// bounds are the upper bounds of the buckets, in seconds, but for the last.
	bounds   []float64
	by       map[string]counts
	sessions map[string]int
}

// counts are counters of one adapter, or what they gained.
type counts struct {
	requests, errors, refused float64
	// buckets are how many requests took so long, each with those of the buckets
	// before it.
	buckets []float64
}

// gain is what all adapters gained between two readings. Those that had no
// request are not in it.
type gain struct {
	from, to time.Time
	by       map[string]counts
	// bounds are those of the buckets.
	bounds []float64
	// lossy says that some may be missing: the process ended in between, with what
	// it had counted since it was last read.
	lossy bool
}

// parse reads the text format.
func parse(text io.Reader, at time.Time) (*reading, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("parsing metrics: %w", err)
	}
	r := &reading{at: at, by: make(map[string]counts), sessions: make(map[string]int)}
	for _, m := range families[metricStart].GetMetric() {
		r.start = m.GetGauge().GetValue()
	}
	for _, m := range families[metricRequests].GetMetric() {
		r.count(m)
	}
	for _, m := range families[metricDurations].GetMetric() {
		r.observe(m)
	}
	for _, m := range families[metricSessions].GetMetric() {
		r.sessions[label(m, "adapter")] = int(m.GetGauge().GetValue())
	}
	return r, nil
}

func (r *reading) count(m *dto.Metric) {
	c, n := r.by[label(m, "adapter")], m.GetCounter().GetValue()
	c.requests += n
	switch code := label(m, "code"); {
	case len(code) == 3 && code[0] == '5':
		c.errors += n
	case len(code) == 3 && code[0] == '4':
		c.refused += n
	}
	r.by[label(m, "adapter")] = c
}

// observe adds a histogram, but for that of streams.
func (r *reading) observe(m *dto.Metric) {
	if method := label(m, "method"); method == "GET" || method == "subscriptions/listen" {
		return
	}
	buckets := m.GetHistogram().GetBucket()
	if r.bounds == nil {
		for _, b := range buckets {
			if !math.IsInf(b.GetUpperBound(), 1) {
				r.bounds = append(r.bounds, b.GetUpperBound())
			}
		}
	}
	c := r.by[label(m, "adapter")]
	more := counts{buckets: make([]float64, len(r.bounds)+1)}
	for i := range r.bounds {
		if i < len(buckets) {
			more.buckets[i] = float64(buckets[i].GetCumulativeCount())
		}
	}
	more.buckets[len(r.bounds)] = float64(m.GetHistogram().GetSampleCount())
	c.add(more)
	r.by[label(m, "adapter")] = c
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// since is what was gained since an earlier reading. Counters of a process that
// started meanwhile, and of an adapter that was forgotten meanwhile, began anew.
func (r *reading) since(earlier *reading) gain {
	g := gain{from: earlier.at, to: r.at, by: make(map[string]counts), bounds: r.bounds, lossy: r.start != earlier.start}
	for name, now := range r.by {
		before := earlier.by[name]
		if r.start != earlier.start || now.anew(before) {
			before = counts{}
		}
		if now.requests > before.requests {
			g.by[name] = now.minus(before)
		}
	}
	return g
}

// anew reports whether c began after before was read: something of it is less.
func (c counts) anew(before counts) bool {
	if c.requests < before.requests || len(c.buckets) < len(before.buckets) {
		return true
	}
	for i, n := range before.buckets {
		if c.buckets[i] < n {
			return true
		}
	}
	return false
}

// add adds other to c. The buckets of other are not shared.
func (c *counts) add(other counts) {
	c.requests += other.requests
	c.errors += other.errors
	c.refused += other.refused
	if c.buckets == nil {
		c.buckets = slices.Clone(other.buckets)
		return
	}
	for i, n := range other.buckets {
		if i < len(c.buckets) {
			c.buckets[i] += n
		}
	}
}

// minus is what c has more than other, which is not anew.
func (c counts) minus(other counts) counts {
	c.requests -= other.requests
	c.errors -= other.errors
	c.refused -= other.refused
	c.buckets = slices.Clone(c.buckets)
	for i, n := range other.buckets {
		c.buckets[i] -= n
	}
	return c
}

// quantile is how long that part of the requests took at most, supposing that
// those of a bucket are spread evenly; nil where there was none. What is beyond
// the last bound counts as that.
func (c counts) quantile(bounds []float64, part float64) *float64 {
	if len(c.buckets) != len(bounds)+1 || c.buckets[len(bounds)] <= 0 || len(bounds) == 0 {
		return nil
	}
	rank := part * c.buckets[len(bounds)]
	below, under := 0.0, 0.0 // the bucket's lower bound, and how many took less
	for i, bound := range bounds {
		if n := c.buckets[i]; n >= rank {
			value := below + (bound-below)*(rank-under)/(n-under)
			return &value
		}
		below, under = bound, c.buckets[i]
	}
	return &below
}
