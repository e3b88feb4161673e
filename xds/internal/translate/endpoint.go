package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// maxSocketPath is the longest path of a Unix socket on Linux.
const maxSocketPath = 107

// nowhere is an address in Envoy's own pod at which nobody listens.
var nowhere = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)

// endpointsOf are the endpoints of e, in order of number: those that serve, and
// those that drain for their sessions' sake. Each control plane that knows the
// same instances gives the same.
func (t *Translator) endpointsOf(e Entry) (*endpointv3.ClusterLoadAssignment, error) {
	var endpoints []*endpointv3.LbEndpoint
	seen := make(map[string]bool)
	waits, holds := waitsFor(e), t.holds(e)
	if holds {
		waits = waitsForNothing
	}
	for _, i := range slices.SortedStableFunc(slices.Values(e.Instances), byOrdinal) {
		health, serves := healthOf(i.State)
		if waits.on(i) {
			health, serves = corev3.HealthStatus_HEALTHY, true
		}
		// One that starts may have none yet.
		if !serves || i.Address == "" || seen[i.Address] {
			continue
		}
		seen[i.Address] = true
		address, err := addressOf(i.Address)
		if err != nil {
			return nil, fmt.Errorf("instance %q: %w", i.ID, err)
		}
		endpoints = append(endpoints, &endpointv3.LbEndpoint{
			HealthStatus: health,
			Metadata:     hashKey(e.Adapter, i.Ordinal),
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: address},
			},
		})
	}
	switch {
	case holds:
		endpoints = append(endpoints, plainEndpoint(t.waker.at))
	case t.pods && waits == waitsForStart && len(endpoints) == 0:
		endpoints = append(endpoints, plainEndpoint(nowhere))
	}
	out := &endpointv3.ClusterLoadAssignment{ClusterName: contract.AdapterCluster(e.Adapter.Name)}
	if len(endpoints) > 0 {
		out.Endpoints = []*endpointv3.LocalityLbEndpoints{{LbEndpoints: endpoints}}
	}
	return out, nil
}

func plainEndpoint(at netip.AddrPort) *endpointv3.LbEndpoint {
	return &endpointv3.LbEndpoint{
		HealthStatus:   corev3.HealthStatus_HEALTHY,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: socketAddress(at)}},
	}
}

func byOrdinal(a, b adapters.Instance) int {
	return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.ID, b.ID))
}

// wait is what requests wait for that may be sent again: there must be an endpoint
// for that, or Envoy would not try.
type wait int

const (
	// waitsForNothing: one of the instances serves, or none is to come.
	waitsForNothing wait = iota
	// waitsForStart: none can be called, and one starts, or is about to.
	waitsForStart
	// waitsForSuccessor: all that can be called drain. They answer to what is new
	// that they did not take it.
	waitsForSuccessor
)

func waitsFor(e Entry) wait {
	var ready, draining, starting bool
	for _, i := range e.Instances {
		ready = ready || i.State == adapters.InstanceReady
		draining = draining || i.State == adapters.InstanceDraining
		starting = starting || isStarting(i)
	}
	wanted := e.Adapter.ReplicaCount > 0
	switch {
	case !e.Adapter.RecoversSessions() || ready:
		return waitsForNothing
	case draining && wanted:
		return waitsForSuccessor
	case !draining && (starting || wanted && len(e.Instances) == 0):
		return waitsForStart
	}
	return waitsForNothing
}

// on reports whether the instance is one that is tried meanwhile. One that starts
// is not, while others can be: Envoy would leave it out for some time once it was
// not reached.
func (w wait) on(i adapters.Instance) bool {
	return w == waitsForStart && isStarting(i) || w == waitsForSuccessor && i.State == adapters.InstanceDraining
}

func isStarting(i adapters.Instance) bool {
	return i.State == adapters.InstanceStarting || i.Reason == adapters.ReasonExited
}

func healthOf(s adapters.InstanceState) (health corev3.HealthStatus, serves bool) {
	switch s {
	case adapters.InstanceReady:
		return corev3.HealthStatus_HEALTHY, true
	case adapters.InstanceDraining:
		return corev3.HealthStatus_DRAINING, true
	default:
		return corev3.HealthStatus_UNHEALTHY, false
	}
}

func addressOf(text string) (*corev3.Address, error) {
	if strings.HasPrefix(text, "/") {
		if len(text) > maxSocketPath {
			return nil, fmt.Errorf("path of the Unix socket is longer than %d bytes", maxSocketPath)
		}
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: text}}}, nil
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil || addr.Addr().Zone() != "" || addr.Port() == 0 {
		return nil, fmt.Errorf("address %q is neither an absolute path nor an IP address and port", text)
	}
	return socketAddress(addr), nil
}

func socketAddress(addr netip.AddrPort) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       addr.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(addr.Port())},
	}}}
}
