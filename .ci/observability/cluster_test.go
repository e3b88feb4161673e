package observability

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/charts/dashboards"
)

// clusterSeries are what a control plane on Kubernetes counts while it holds
// requests, every 15 s.
var clusterSeries = map[string]string{
	`mooring_wake_held_requests`:                      "3+0x40",
	`mooring_wake_requests_total{result="served"}`:    "0+15x40",
	`mooring_wake_duration_seconds_bucket{le="1"}`:    "0+15x40",
	`mooring_wake_duration_seconds_bucket{le="2"}`:    "0+15x40",
	`mooring_wake_duration_seconds_bucket{le="+Inf"}`: "0+15x40",
}

// clusterValues are what the queries on pages make of it.
var clusterValues = map[string][]sample{
	"sum(mooring_wake_held_requests)":                                                        {{Value: 3}},
	"sum by (result) (increase(mooring_wake_requests_total[1m]))":                            {{`{result="served"}`, 60}},
	"histogram_quantile(0.5, sum by (le) (rate(mooring_wake_duration_seconds_bucket[1m])))":  {{Value: 0.5}},
	"histogram_quantile(0.99, sum by (le) (rate(mooring_wake_duration_seconds_bucket[1m])))": {{Value: 0.99}},
}

type sample struct {
	Labels string  `json:"labels,omitempty"`
	Value  float64 `json:"value"`
}

// TestClusterPanels has promtool evaluate what one machine has nothing for.
func TestClusterPanels(t *testing.T) {
	type query struct {
		Expr    string   `json:"expr"`
		At      string   `json:"eval_time"`
		Samples []sample `json:"exp_samples"`
	}
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	type group struct {
		Interval string   `json:"interval"`
		Series   []series `json:"input_series"`
		Queries  []query  `json:"promql_expr_test"`
	}
	test := group{Interval: "15s"}
	for name, values := range clusterSeries {
		test.Series = append(test.Series, series{name, values})
	}
	for _, d := range dashboards.All() {
		for _, panel := range d.Panels {
			for _, q := range panel.Queries {
				if panel.Cluster {
					test.Queries = append(test.Queries, query{expression(q), "5m", clusterValues[expression(q)]})
				}
			}
		}
	}
	if len(test.Queries) != len(clusterValues) {
		t.Errorf("%d queries, and values of %d", len(test.Queries), len(clusterValues))
	}
	text, err := yaml.Marshal(map[string]any{"tests": []group{test}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool := filepath.Join(filepath.Dir(os.Getenv("PROMETHEUS")), "promtool")
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
