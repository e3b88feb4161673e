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
	// adapters, and when there are few.
	sessionsEach = 40
)

// memoryOverCalls shows the memory of the gateway over very many calls.
func memoryOverCalls(ctx context.Context, s *stage) ([]comparison, error) {
	issuer, err := startIssuer()
	if err != nil {
		return nil, err
	}
	defer issuer.close()
	g, err := s.startGateway("gateway", issuer, []adapters.Spec{spec("always")}, observing{})
	if err != nil {
		return nil, err
	}
	w := g.way("always", "", "always")
	if err := await(ctx, w); err != nil {
		return nil, err
	}
	all, closeAll, err := connect(ctx, []way{w}, growthSize, growthConnections)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	fmt.Printf("\nresident memory over %d calls of %d B, %d connections\n", s.cfg.Calls, growthSize, growthConnections)
	for look := range looks + 1 {
		memory, err := memoryOf(g.parts)
		if err != nil {
			return nil, err
		}
		fmt.Printf("  %9d  %s\n", look*(s.cfg.Calls/looks), eachMemory(g.parts, memory))
		if look == looks {
			return nil, nil
		}
		if err := loadCalls(ctx, all[0], s.cfg.Calls/looks); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// manyAdapters compares the cost of a call where there are few adapters and
// where there are many: as many of them called, and many of them called.
func manyAdapters(ctx context.Context, s *stage) ([]comparison, error) {
	issuer, err := startIssuer()
	if err != nil {
		return nil, err
	}
	defer issuer.close()
	few, err := s.startAdapters(issuer, fewAdapters, "few")
	if err != nil {
		return nil, err
	}
	many, err := s.startAdapters(issuer, s.cfg.Adapters, "many")
	if err != nil {
		return nil, err
	}
	// Its own, so that its connections and what it remembers weigh on no other way.
	spread, err := s.startAdapters(issuer, s.cfg.Adapters, "spread")
	if err != nil {
		return nil, err
	}
	ways := []way{
		few.wayToMany(fewAdapters, fewAdapters),
		many.wayToMany(s.cfg.Adapters, fewAdapters),
		spread.wayToMany(s.cfg.Adapters, min(s.cfg.Adapters, growthConnections*sessionsEach)),
	}
	cfg := s.cfg
	s.cfg.Sizes, s.cfg.Connections = []int{growthSize}, []int{growthConnections}
	defer func() { s.cfg = cfg }()
	c, err := s.compare(ctx, ways, []string{ways[0].name}, nil)
	return []comparison{c}, err
}

// startAdapters starts a gateway of that name with so many adapters, which are
// bridges as far as it can tell.
func (s *stage) startAdapters(issuer *issuer, count int, name string) (*gateway, error) {
	var specs []adapters.Spec
	for i := range count {
		bridged := spec(nameOf(i))
		bridged.ImageName = adapters.BridgeImage
		specs = append(specs, bridged)
	}
	return s.startGateway(name, issuer, specs, observing{})
}

func nameOf(adapter int) string { return fmt.Sprintf("bench-%d", adapter) }

// wayToMany calls so many of a gateway's adapters.
func (g *gateway) wayToMany(count, called int) way {
	w := g.way(fmt.Sprintf("%d of %d", called, count), fmt.Sprintf("%d of %d adapters are called", called, count), nameOf(count-1))
	w.paths = func(client int) []string { return spread(client, count, called) }
	return w
}

// spread are the endpoints of a client's sessions, over so many of all adapters.
func spread(client, count, called int) []string {
	var paths []string
	for i := range sessionsEach {
		at := (client*sessionsEach + i) % called
		paths = append(paths, endpoint(nameOf(at*(count/called))))
	}
	return paths
}
