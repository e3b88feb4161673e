package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// calls is how many calls a client makes between looks at the clock of a load
// that is bounded by their number.
const calls = 100

// sample is what one way did in one round.
type sample struct {
	elapsed   time.Duration
	latencies []time.Duration
	// cpu is the time of each of the way's parts.
	cpu []time.Duration
}

// rate is calls per second.
func (s sample) rate() float64 { return float64(len(s.latencies)) / s.elapsed.Seconds() }

// connected is a way and its clients.
type connected struct {
	way
	clients []*client
}

// started are the samples of one way after one start, one of each round, and the
// memory of its parts after them.
type started struct {
	rounds []sample
	memory []int64
}

// measured is what one way did.
type measured struct {
	way
	starts []started
}

// measure runs all ways one after the other, again and again and each time in
// another order, so that whatever else the machine does falls on all alike, what
// the way before has left to be done among it.
// Each turn has connections of its own: which of a server's threads has how many
// of them is chance, and would favour a way in all rounds. The rounds are those of
// one start.
func measure(ctx context.Context, cfg Config, all []connected) ([]measured, error) {
	out := make([]measured, len(all))
	for i, w := range all {
		out[i] = measured{way: w.way, starts: make([]started, 1)}
	}
	for round := range cfg.Rounds + 1 {
		for _, i := range rand.Perm(len(all)) {
			s, err := turn(ctx, all[i], cfg.Duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			if round > 0 { // the first warms up
				out[i].starts[0].rounds = append(out[i].starts[0].rounds, s)
			}
		}
	}
	for i := range out {
		memory, err := memoryOf(out[i].parts)
		if err != nil {
			return nil, err
		}
		out[i].starts[0].memory = memory
	}
	return out, nil
}

// connect dials each way so many times.
func connect(ctx context.Context, ways []way, size, connections int) ([]connected, func(), error) {
	all := make([]connected, len(ways))
	closeAll := func() {
		for _, w := range all {
			for _, c := range w.clients {
				c.close()
			}
		}
	}
	for i, w := range ways {
		all[i].way = w
		for k := range connections {
			c, err := dial(ctx, w, w.pathsOf(k), size)
			if err != nil {
				closeAll()
				return nil, nil, fmt.Errorf("%s: %w", w.name, err)
			}
			all[i].clients = append(all[i].clients, c)
		}
	}
	return all, closeAll, nil
}

// turn is load on other connections.
func turn(ctx context.Context, w connected, d time.Duration) (sample, error) {
	if w.prepare != nil {
		if err := w.prepare(ctx); err != nil {
			return sample{}, err
		}
	}
	for _, c := range w.clients {
		if err := c.reconnect(ctx); err != nil {
			return sample{}, err
		}
	}
	return load(ctx, w, d)
}

// load calls on all connections at once for a while.
func load(ctx context.Context, w connected, d time.Duration) (sample, error) {
	before, err := cpuOf(w.parts)
	if err != nil {
		return sample{}, err
	}
	latencies := make([][]time.Duration, len(w.clients))
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range w.clients {
		group.Go(func() error {
			for time.Since(begin) < d && ctx.Err() == nil {
				took, err := c.echo()
				if err != nil {
					return err
				}
				latencies[i] = append(latencies[i], took)
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	elapsed := time.Since(begin)
	after, err := cpuOf(w.parts)
	if err != nil {
		return sample{}, err
	}
	for i := range after {
		after[i] -= before[i]
	}
	return sample{elapsed: elapsed, cpu: after, latencies: slices.Concat(latencies...)}, nil
}

// loadCalls makes so many calls on all connections together.
func loadCalls(ctx context.Context, w connected, count int) error {
	var left atomic.Int64
	left.Store(int64(count))
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range w.clients {
		group.Go(func() error {
			for left.Add(-calls) >= 0 && ctx.Err() == nil {
				for range calls {
					if _, err := c.echo(); err != nil {
						return err
					}
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
