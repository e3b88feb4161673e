package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// round is what was measured of one way in one round.
type round struct {
	rate     float64 // calls in a second
	p50, p99 time.Duration
	cpu      float64 // ms of processor time for a call: between client and server
	servers  float64 // the same of the servers
}

// payload is the bytes of text in a call.
const payload = 200

// measureCalls runs all ways one after the other, again and again, so that
// whatever else the machine does falls on all alike.
func measureCalls(ctx context.Context, cfg Config, all []subject) error {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.close()
	ways, err := s.startAll(ctx, chosen(cfg, all, "bridge, no spares", "bridge, npx resident"))
	if err != nil {
		return err
	}
	for _, connections := range cfg.Connections {
		rounds, err := callRounds(ctx, cfg, ways, connections)
		if err != nil {
			return err
		}
		reportCalls(connections, cfg, ways, rounds)
	}
	return nil
}

// callRounds returns the rounds of each way.
func callRounds(ctx context.Context, cfg Config, ways []*way, connections int) ([][]round, error) {
	clients := make([][]*client, len(ways))
	for i, w := range ways {
		for range connections {
			c := newClient(w.url, payload)
			if err := c.initialize(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			clients[i] = append(clients[i], c)
		}
	}
	defer func() {
		for _, c := range slices.Concat(clients...) {
			_ = c.close(ctx) // the ways are about to end
		}
	}()
	rounds := make([][]round, len(ways))
	for n := range cfg.Rounds + 1 {
		for k := range ways {
			// Each has its turn at each place.
			i := (k + n) % len(ways)
			w := ways[i]
			r, err := load(ctx, clients[i], w, cfg.Duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if n > 0 { // the first warms up
				rounds[i] = append(rounds[i], r)
			}
		}
	}
	return rounds, nil
}

// load calls on all connections at once for a while.
func load(ctx context.Context, clients []*client, w *way, d time.Duration) (round, error) {
	between, servers := w.split()
	cpuBetween, cpuServers := cpuOf(between), cpuOf(servers)
	latencies := make([][]time.Duration, len(clients))
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range clients {
		group.Go(func() error {
			for time.Since(begin) < d {
				took, err := c.call(ctx)
				if err != nil {
					return err
				}
				latencies[i] = append(latencies[i], took)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return round{}, err
	}
	elapsed := time.Since(begin)
	cpuBetween, cpuServers = cpuOf(between)-cpuBetween, cpuOf(servers)-cpuServers
	all := slices.Concat(latencies...)
	slices.Sort(all)
	calls := float64(len(all))
	return round{
		rate: calls / elapsed.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100],
		cpu: cpuBetween.Seconds() * 1000 / calls, servers: cpuServers.Seconds() * 1000 / calls,
	}, nil
}

func reportCalls(connections int, cfg Config, ways []*way, rounds [][]round) {
	fmt.Printf("\ntools/call of %d B, %d connections; medians of %d interleaved rounds of %v; ratios are to direct in the same round\n",
		payload, connections, cfg.Rounds, cfg.Duration)
	fmt.Printf("  %-24s %-8s %9s %9s %9s %7s %7s %14s %11s\n", "", "child", "calls/s", "p50", "p99", "calls", "p50", "CPU ms between", "and server")
	base := slices.IndexFunc(ways, func(w *way) bool { return w.name == direct })
	for i, w := range ways {
		of := func(value func(round) float64) float64 { return medianOf(rounds[i], value) }
		ratio := func(value func(round) float64) float64 {
			if base < 0 {
				return 0
			}
			var all []float64
			for n, r := range rounds[i] {
				all = append(all, value(r)/value(rounds[base][n]))
			}
			return median(all)
		}
		rate := func(r round) float64 { return r.rate }
		p50 := func(r round) float64 { return float64(r.p50) }
		fmt.Printf("  %-24s %-8s %9.0f %9s %9s %7.2f %7.2f %14.3f %11.3f\n", w.name, childOf(w.subject), of(rate),
			shown(of(p50)), shown(of(func(r round) float64 { return float64(r.p99) })), ratio(rate), ratio(p50),
			of(func(r round) float64 { return r.cpu }), of(func(r round) float64 { return r.servers }))
	}
}
