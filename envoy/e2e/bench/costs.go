package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/mooring-mcp/mooring/adapters"
)

// wayEnvoy is what others are compared with, and wayEnvoyBridge with it where
// bridges are.
const (
	wayEnvoy       = "envoy"
	wayEnvoyBridge = "envoy+bridge"
)

// inspections are those whose cost is measured.
var inspections = []adapters.Inspection{adapters.InspectionAlways, adapters.InspectionSession}

// inspected is an adapter named like its inspection.
func inspected(inspection adapters.Inspection) adapters.Spec {
	s := spec(string(inspection))
	s.Inspection = inspection
	return s
}

// bothInspected are adapters of all inspections.
func bothInspected() []adapters.Spec {
	var specs []adapters.Spec
	for _, inspection := range inspections {
		specs = append(specs, inspected(inspection))
	}
	return specs
}

// gatewayCost measures what Envoy and extproc cost by themselves.
func gatewayCost(ctx context.Context, s *stage) error {
	issuer, err := startIssuer()
	if err != nil {
		return err
	}
	defer issuer.close()
	plain, addresses, err := s.startPlain(s.backend.addr())
	if err != nil {
		return err
	}
	g, err := s.startGateway("gateway", issuer, bothInspected(), observing{})
	if err != nil {
		return err
	}
	ways := []way{
		{name: "direct", what: "client -> server", url: "http://" + s.backend.addr() + "/mcp", token: g.token},
		{name: wayEnvoy, what: "client -> [Envoy] -> server", url: "http://" + addresses[0] + "/mcp", token: g.token, parts: []part{plain}},
	}
	for _, inspection := range inspections {
		ways = append(ways, g.way(string(inspection), "client -> [Envoy, extproc] -> server, inspection: "+string(inspection), string(inspection)))
	}
	ended, err := s.profile(g.ops)
	if err != nil {
		return err
	}
	err = s.compare(ctx, ways, []string{wayEnvoy}, []int{1, 16, 64}, nil)
	if profileErr := ended(); err == nil {
		err = profileErr
	}
	return err
}

// bridgedCost measures a gateway as the launcher runs it, with an adapter of a
// remote server, which a bridge proxies.
func bridgedCost(ctx context.Context, s *stage) error {
	bridge, socket, err := s.startBridge()
	if err != nil {
		return err
	}
	plain, addresses, err := s.startPlain(s.backend.addr(), socket)
	if err != nil {
		return err
	}
	launcher, address, err := s.startMooring(ctx)
	if err != nil {
		return err
	}
	ways := []way{
		{name: wayEnvoy, what: "client -> [Envoy] -> server", url: "http://" + addresses[0] + "/mcp", parts: []part{plain}},
		{name: wayEnvoyBridge, what: "client -> [Envoy, bridge] -> server", url: "http://" + addresses[1] + "/mcp",
			parts: []part{plain, {"bridge", bridge.PID()}}},
		{name: "mooring", what: "client -> [Envoy, extproc, bridge] -> server; all that the launcher runs, in development mode",
			url: "http://" + address + endpoint("bench")},
	}
	mooring := &ways[len(ways)-1]
	if err := await(ctx, *mooring); err != nil {
		return err
	}
	// Only now all of the gateway's processes are there, the bridge included.
	if mooring.parts, err = partsOf(launcher.PID()); err != nil {
		return err
	}
	return s.compare(ctx, ways, []string{wayEnvoy, wayEnvoyBridge}, []int{1, 32}, nil)
}

// compare measures all ways for all sizes and numbers of connections. More is told
// of each after its table; nil means nobody.
func (s *stage) compare(ctx context.Context, ways []way, with []string, connections []int, more func([]measured)) error {
	if len(s.cfg.Connections) > 0 {
		connections = s.cfg.Connections
	}
	for _, w := range ways {
		if err := await(ctx, w); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d CPUs, %d rounds of %v for each way; CPU-seconds for 1,000 calls and memory are those of the parts in brackets\n",
		runtime.NumCPU(), s.cfg.Rounds, s.cfg.Duration)
	for _, w := range ways {
		fmt.Printf("  %-13s %s\n", w.name, w.what)
	}
	for _, size := range s.cfg.Sizes {
		for _, n := range connections {
			all, closeAll, err := connect(ctx, ways, size, n)
			if err != nil {
				return err
			}
			results, err := measure(ctx, s.cfg, all)
			closeAll()
			if err != nil {
				return err
			}
			fmt.Printf("\ntools/call, %d B there and back, %d connections\n", size, n)
			report(results, with)
			if more != nil {
				more(results)
			}
		}
	}
	return nil
}
