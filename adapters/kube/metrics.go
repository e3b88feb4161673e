package kube

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// libraryMetrics are those of Kubernetes' libraries, which keep them in a
// registry of their own: of caches, queues, reconciliations, requests to the API
// server and the election. What that registry has of Go and of the process is left
// out, since the program has it already.
type libraryMetrics struct{}

// Describe implements prometheus.Collector. Its silence means that what it
// collects is not known before.
func (libraryMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (libraryMetrics) Collect(out chan<- prometheus.Metric) {
	registry, collects := ctrlmetrics.Registry.(prometheus.Collector)
	if !collects {
		return
	}
	all := make(chan prometheus.Metric)
	go func() {
		defer close(all)
		registry.Collect(all)
	}()
	for metric := range all {
		name := strings.TrimPrefix(metric.Desc().String(), `Desc{fqName: "`)
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			out <- metric
		}
	}
}
