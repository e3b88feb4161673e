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

// endpointsOf are the endpoints of e, in order of number: those that serve, and
// those that drain for their sessions' sake. Each control plane that knows the
// same instances gives the same.
func endpointsOf(e Entry) (*endpointv3.ClusterLoadAssignment, error) {
	var endpoints []*endpointv3.LbEndpoint
	seen := make(map[string]bool)
	held := e.Adapter.RecoversSessions() && !anyServes(e.Instances)
	for _, i := range slices.SortedStableFunc(slices.Values(e.Instances), byOrdinal) {
		health, serves := healthOf(i.State)
		if held && (i.State == adapters.InstanceStarting || i.Reason == adapters.ReasonExited) {
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
	out := &endpointv3.ClusterLoadAssignment{ClusterName: contract.AdapterCluster(e.Adapter.Name)}
	if len(endpoints) > 0 {
		out.Endpoints = []*endpointv3.LocalityLbEndpoints{{LbEndpoints: endpoints}}
	}
	return out, nil
}

func byOrdinal(a, b adapters.Instance) int {
	return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.ID, b.ID))
}

// anyServes reports whether one of the instances can be called. Where none can,
// requests that may be sent again wait for one that starts, or is about to: it
// must be an endpoint for that, or Envoy would not try.
func anyServes(list []adapters.Instance) bool {
	return slices.ContainsFunc(list, func(i adapters.Instance) bool {
		_, serves := healthOf(i.State)
		return serves
	})
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
