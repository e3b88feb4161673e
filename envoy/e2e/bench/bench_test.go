package main

import (
	"context"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

// TestLoadChecksAnswers measures the server directly, which needs no program.
func TestLoadChecksAnswers(t *testing.T) {
	backend, err := startBackend()
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	ways := []way{{name: "direct", url: "http://" + backend.Addr() + "/mcp", pids: []int{os.Getpid()}}}
	results, err := measure(t.Context(), Config{Rounds: 2, Duration: 20 * time.Millisecond}, ways, 200, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(results[0].latencies) == 0 || results[0].elapsed < 40*time.Millisecond {
		t.Errorf("%d calls in %v", len(results[0].latencies), results[0].elapsed)
	}
	c := &client{http: http.DefaultClient, url: ways[0].url, text: "needs \\u0065scaping"}
	if _, err := c.call(context.Background()); err == nil {
		t.Error("a wrong answer passes")
	}
}

func TestPercentile(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(i+1)*time.Millisecond)
	}
	if p50, p99 := percentile(all, 50), percentile(all, 99); p50 != 50*time.Millisecond || p99 != 99*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

func TestChildrenOf(t *testing.T) {
	children, err := childrenOf(os.Getppid())
	if err != nil || !slices.Contains(children, os.Getpid()) {
		t.Errorf("children %v, error %v", children, err)
	}
}
