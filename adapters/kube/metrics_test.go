package kube

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// TestLibraryMetricsStandBesideOurs: a program has metrics of Go and of its process
// already, and a series that is there twice is an error.
func TestLibraryMetricsStandBesideOurs(t *testing.T) {
	of := prometheus.NewGauge(prometheus.GaugeOpts{Name: "workqueue_of_a_test"})
	ctrlmetrics.Registry.MustRegister(of)
	t.Cleanup(func() { ctrlmetrics.Registry.Unregister(of) })
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), libraryMetrics{})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, family := range families {
		found = found || family.GetName() == "workqueue_of_a_test"
	}
	if !found {
		t.Error("nothing of the libraries is there")
	}
}
