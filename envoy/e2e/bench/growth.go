package main

import (
	"context"
	"fmt"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	// looks is how often memory is looked at over all calls.
	looks = 10
	// growthConnections is the number of connections of what follows.
	growthConnections = 64
	// growthSize is the size of its calls.
	growthSize = 200
	// fewAdapters are what many are compared with.
	fewAdapters = 10
	// sessionsEach is how many sessions each connection has when there are many
	// adapters: as many with few.
	sessionsEach = 40
)

// memoryOverCalls shows the memory of the gateway over very many calls.
func memoryOverCalls(ctx context.Context, s *stage) error {
	issuer, err := startIssuer()
	if err != nil {
		return err
	}
	defer issuer.close()
	g, err := s.startGateway("gateway", issuer, []adapters.Spec{spec("always")})
	if err != nil {
		return err
	}
	w := g.way("always", "", "always")
	if err := await(ctx, w); err != nil {
		return err
	}
	all, closeAll, err := connect(ctx, []way{w}, growthSize, growthConnections)
	if err != nil {
		return err
	}
	defer closeAll()
	fmt.Printf("\nresident memory over %d calls of %d B, %d connections\n", s.cfg.Calls, growthSize, growthConnections)
	for look := range looks + 1 {
		memory, err := memoryOf(g.parts)
		if err != nil {
			return err
		}
		fmt.Printf("  %9d  %s\n", look*(s.cfg.Calls/looks), eachMemory(g.parts, memory))
		if look == looks {
			return nil
		}
		if err := loadCalls(ctx, all[0], s.cfg.Calls/looks); err != nil {
			return err
		}
	}
	return nil
}

// manyAdapters compares the cost of a call where there are few adapters and
// where there are many, all of them called.
func manyAdapters(ctx context.Context, s *stage) error {
	issuer, err := startIssuer()
	if err != nil {
		return err
	}
	defer issuer.close()
	var ways []way
	for _, count := range []int{fewAdapters, s.cfg.Adapters} {
		var specs []adapters.Spec
		for i := range count {
			specs = append(specs, spec(fmt.Sprintf("bench-%d", i)))
		}
		g, err := s.startGateway(fmt.Sprintf("gateway%d", count), issuer, specs)
		if err != nil {
			return err
		}
		w := g.way(fmt.Sprint(count), fmt.Sprintf("%d adapters", count), fmt.Sprintf("bench-%d", count-1))
		w.paths = func(client int) []string { return spread(client, count) }
		ways = append(ways, w)
	}
	cfg := s.cfg
	s.cfg.Sizes, s.cfg.Connections = []int{growthSize}, []int{growthConnections}
	defer func() { s.cfg = cfg }()
	return s.compare(ctx, ways, []string{ways[0].name}, nil)
}

// spread are the endpoints of a client's sessions, over all adapters.
func spread(client, count int) []string {
	var paths []string
	for i := range sessionsEach {
		at := (client*sessionsEach + i) * count / (growthConnections * sessionsEach)
		paths = append(paths, endpoint(fmt.Sprintf("bench-%d", at%count)))
	}
	return paths
}
