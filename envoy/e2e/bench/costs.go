package main

import (
	"context"

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
func gatewayCost(ctx context.Context, s *stage) ([]comparison, error) {
	issuer, err := startIssuer()
	if err != nil {
		return nil, err
	}
	defer issuer.close()
	plain, addresses, err := s.startPlain(s.backend.addr())
	if err != nil {
		return nil, err
	}
	g, err := s.startGateway("gateway", issuer, bothInspected(), observing{})
	if err != nil {
		return nil, err
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
		return nil, err
	}
	c, err := s.compare(ctx, ways, []string{wayEnvoy}, []int{1, 16, 64})
	if profileErr := ended(); err == nil {
		err = profileErr
	}
	return []comparison{c}, err
}

// bridgedCost measures a gateway as the launcher runs it, with an adapter of a
// remote server, which a bridge proxies.
func bridgedCost(ctx context.Context, s *stage) ([]comparison, error) {
	bridge, socket, err := s.startBridge()
	if err != nil {
		return nil, err
	}
	plain, addresses, err := s.startPlain(s.backend.addr(), socket)
	if err != nil {
		return nil, err
	}
	launcher, address, err := s.startMooring(ctx)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	// Only now all of the gateway's processes are there, the bridge included.
	if mooring.parts, err = partsOf(launcher.PID()); err != nil {
		return nil, err
	}
	c, err := s.compare(ctx, ways, []string{wayEnvoy, wayEnvoyBridge}, []int{1, 32})
	return []comparison{c}, err
}
