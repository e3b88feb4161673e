package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"

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
// that tell of them, beside themselves when they do not. Other processes would not
// do for that, since the same program is faster after some starts than after
// others, by more than this costs.
func observabilityCost(ctx context.Context, s *stage) ([]comparison, error) {
	issuer, err := startIssuer()
	if err != nil {
		return nil, err
	}
	defer issuer.close()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is sent is nobody's matter
	}))
	defer collector.Close()
	ways := map[adapters.Inspection][]way{}
	for i, t := range []struct {
		name, what string
		observing  observing
	}{
		{wayMetrics, "counts every request, as it does out of the box", observing{}},
		{wayLines, "counts, and writes a line for each", observing{lines: true}},
		{wayTraces, "counts, and traces one in a hundred", observing{traces: collector.URL}},
		{wayAll, "counts, writes lines and traces", observing{lines: true, traces: collector.URL}},
	} {
		g, err := s.startGateway(fmt.Sprintf("gateway%d", i), issuer, bothInspected(), t.observing)
		if err != nil {
			return nil, err
		}
		for _, inspection := range inspections {
			silent, telling := g.way(waySilent, "the same processes, which tell of no request", string(inspection)), g.way(t.name, t.what, string(inspection))
			silent.prepare = func(ctx context.Context) error { return g.tell(ctx, false) }
			telling.prepare = func(ctx context.Context) error { return g.tell(ctx, true) }
			ways[inspection] = append(ways[inspection], silent, telling)
		}
	}
	var all []comparison
	for _, inspection := range inspections {
		c, err := s.compare(ctx, ways[inspection], nil, []int{64})
		if err != nil {
			return nil, err
		}
		c.title, c.more = "inspection: "+string(inspection), reportTaken
		all = append(all, c)
	}
	return all, nil
}

// reportTaken says what part of the throughput of the way before it each second
// one takes, and how much more CPU time.
func reportTaken(results []measured) {
	for pair := range slices.Chunk(results, 2) {
		silent, telling := pair[0], pair[1]
		shares := sharesOf(telling, silent)
		taken := 1 - mean(shares)
		verdict := "within"
		if taken > mostOfThroughput {
			verdict = "over"
		}
		fmt.Printf("  %s takes %.1f %% of the throughput (%s %.0f %%; %.1f to %.1f %% by start), and %.1f %% more CPU time\n",
			telling.name, 100*taken, verdict, 100*mostOfThroughput, 100*(1-slices.Max(shares)), 100*(1-slices.Min(shares)), 100*(mean(spentShares(telling, silent))-1))
	}
}
