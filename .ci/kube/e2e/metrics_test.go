package e2e

import (
	"bufio"
	"net/http"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
)

// metrics are what is measured at the address, by name.
func metrics(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bufio.NewReader(answer.Body))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("metrics of %s: status %d, error %v", address, answer.StatusCode, err)
	}
	return families
}

// sessionsBegun is how many sessions the pod's bridge was asked for.
func sessionsBegun(t *testing.T, pod corev1.Pod) float64 {
	t.Helper()
	return sum(metrics(t, pod.Status.PodIP+":8000")["mooring_bridge_sessions_total"], "started")
}

// counted is the sum of a metric of all control planes.
func counted(t *testing.T, metric string) (all float64) {
	t.Helper()
	for _, pod := range podsOf(t, release, component("xds")) {
		all += sum(metrics(t, pod.Status.PodIP+":9091")[metric], "")
	}
	return all
}

// sum adds up those that have the value in a label, or all with an empty one.
func sum(family *dto.MetricFamily, value string) (all float64) {
	for _, m := range family.GetMetric() {
		if value == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == value }) {
			all += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}
