package traffic

import (
	"strings"
	"testing"
)

func FuzzParseCalls(f *testing.F) {
	f.Add(statistics(1, 2, 3))
	f.Add("envoy_cluster_upstream_rq_total 1")
	f.Fuzz(func(_ *testing.T, text string) {
		c, err := parseCalls(strings.NewReader(text), begin)
		if err != nil {
			return
		}
		c.used(nil)
		c.restarted(&calls{at: begin})
	})
}

func FuzzParse(f *testing.F) {
	f.Add(metrics(1, 2, 3, 4, 5, 6, 7))
	f.Add("mooring_request_duration_seconds_bucket{le=\"x\"} 1")
	f.Add("# TYPE mooring_requests_total counter\nmooring_requests_total{adapter=\"a\"} 5")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parse(strings.NewReader(text), begin)
		if err != nil {
			return
		}
		earlier, err := parse(strings.NewReader(metrics(0, 1, 0, 0, 1, 0, 0)), begin)
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range []*reading{{}, earlier} {
			for _, c := range r.since(before).by {
				c.quantile(r.bounds, 0.5)
			}
		}
	})
}
