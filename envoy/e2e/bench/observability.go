package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/mooring-mcp/mooring/adapters"
)

// The ways of the measurement of observability.
const (
	waySilent  = "silent"
	wayMetrics = "metrics"
	wayLines   = "+ lines"
	wayTraces  = "+ traces"
	wayAll     = "all"
)

// mostOfThroughput is how much of the throughput it may take that requests are
// told of.
const mostOfThroughput = 0.08

// observabilityCost measures what it costs that requests are told of: gateways
// that tell of them beside one that does not.
func observabilityCost(ctx context.Context, s *stage) error {
	issuer, err := startIssuer()
	if err != nil {
		return err
	}
	defer issuer.close()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is sent is nobody's matter
	}))
	defer collector.Close()
	told := []struct {
		name, what string
		observing  observing
	}{
		{waySilent, "tells of no request", observing{uncounted: true}},
		{wayMetrics, "counts every request, as it does out of the box", observing{}},
		{wayLines, "counts, and writes a line for each", observing{lines: true}},
		{wayTraces, "counts, and traces one in a hundred", observing{traces: collector.URL}},
		{wayAll, "counts, writes lines and traces", observing{lines: true, traces: collector.URL}},
	}
	ways := map[adapters.Inspection][]way{}
	for i, t := range told {
		g, err := s.startGateway(fmt.Sprintf("gateway%d", i), issuer, bothInspected(), t.observing)
		if err != nil {
			return err
		}
		for _, inspection := range inspections {
			ways[inspection] = append(ways[inspection], g.way(t.name, t.what, string(inspection)))
		}
	}
	for _, inspection := range inspections {
		fmt.Printf("\ninspection: %s\n", inspection)
		if err := s.compare(ctx, ways[inspection], []string{waySilent}, []int{64}, reportTaken); err != nil {
			return err
		}
	}
	return nil
}

// reportTaken says what part of the first way's throughput the others take, and
// how much more CPU time.
func reportTaken(results []measured) {
	for _, r := range results[1:] {
		taken := 1 - ratio(r, results[0])
		verdict := "within"
		if taken > mostOfThroughput {
			verdict = "over"
		}
		fmt.Printf("  %s takes %.1f %% of the throughput (%s %.0f %%), and %.1f %% more CPU time\n",
			r.name, 100*taken, verdict, 100*mostOfThroughput, 100*(spentRatio(r, results[0])-1))
	}
}
