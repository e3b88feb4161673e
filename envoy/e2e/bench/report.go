package main

import (
	"fmt"
	"slices"
	"time"
)

// report prints one table. The ratios are shares of the throughput of plain
// Envoy, alone and with a bridge behind it, which every adapter has.
func report(size, connections int, ways []way, results []result) {
	fmt.Printf("\ntools/call, %d B there and back, %d connections\n", size, connections)
	fmt.Printf("  %-13s %10s %10s %10s %14s %10s %14s\n",
		"", "calls/s", "p50", "p99", "CPU-s/1000", "/ envoy", "/ envoy+bridge")
	rates := map[string]float64{}
	for i, w := range ways {
		rates[w.name] = float64(len(results[i].latencies)) / results[i].elapsed.Seconds()
	}
	for i, w := range ways {
		r := results[i]
		slices.Sort(r.latencies)
		cpu := "-"
		if len(w.processes()) > 0 {
			cpu = fmt.Sprintf("%.3f", r.cpu.Seconds()*1000/float64(len(r.latencies)))
		}
		fmt.Printf("  %-13s %10.0f %10s %10s %14s %10.2f %14.2f\n", w.name, rates[w.name],
			percentile(r.latencies, 50), percentile(r.latencies, 99), cpu,
			rates[w.name]/rates[wayEnvoy], rates[w.name]/rates[wayEnvoyBridge])
	}
}

// percentile is of sorted values, of which there is at least one.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100].Round(time.Microsecond)
}
