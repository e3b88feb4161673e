package bootstrap

import (
	"fmt"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	connectTimeout = 2 * time.Second
	reconnectBase  = 100 * time.Millisecond
	reconnectMax   = 2 * time.Second

	// maxInternalRequests lifts Envoy's default of 1,024 requests to one
	// cluster: each MCP request in flight is one to the external processor.
	maxInternalRequests = 1 << 16
	// maxLogRequests bounds what Envoy holds of its log of requests while the
	// external processor is away: 16 KiB each, of about forty requests.
	maxLogRequests = 1 << 10

	httpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
)

func clusters(c Config) ([]*clusterv3.Cluster, error) {
	all, err := controlPlaneClusters(c)
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name, socket string
		grpc         bool
	}{
		{contract.ClusterExtProc, c.ExtProcSocket, true},
		{contract.ClusterExtProcLog, c.ExtProcLogSocket, true},
		{contract.ClusterExtProcOps, c.ExtProcOpsSocket, false},
		{contract.ClusterEnvoyAdmin, c.AdminSocket, false},
	} {
		cluster, err := socketCluster(s.name, s.socket, s.grpc)
		if err != nil {
			return nil, err
		}
		if s.name == contract.ClusterExtProcLog {
			cluster.CircuitBreakers = breakers(maxLogRequests)
		}
		all = append(all, cluster)
	}
	return all, nil
}

// controlPlaneClusters are discovery, the API and operations.
func controlPlaneClusters(c Config) ([]*clusterv3.Cluster, error) {
	if c.ControlPlane != nil {
		return c.ControlPlane.clusters()
	}
	ads, err := socketCluster(contract.ClusterADS, c.ADSSocket, true)
	if err != nil {
		return nil, err
	}
	api, err := socketCluster(contract.ClusterAPI, c.APISocket, false)
	if err != nil {
		return nil, err
	}
	ops, err := socketCluster(contract.ClusterControlPlaneOps, c.XDSOpsSocket, false)
	if err != nil {
		return nil, err
	}
	return []*clusterv3.Cluster{ads, api, ops}, nil
}

// socketCluster is what listens on a Unix socket. With grpc it is spoken to in
// HTTP/2, else in HTTP/1.
func socketCluster(name, socket string, grpc bool) (*clusterv3.Cluster, error) {
	c := cluster(name, pipe(socket, 0))
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	if !grpc {
		return c, nil
	}
	return c, speakHTTP2(c, &corev3.Http2ProtocolOptions{})
}

// cluster has one endpoint.
func cluster(name string, at *corev3.Address) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: name,
		// A dot would end the cluster's name in the labels of metrics.
		AltStatName:     strings.ReplaceAll(name, ".", "_"),
		ConnectTimeout:  durationpb.New(connectTimeout),
		CircuitBreakers: breakers(maxInternalRequests),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: at}},
			}}}},
		},
	}
}

// breakers bound the requests to a cluster, of which each may wait for another
// try: Envoy's default is three at a time, less than a replica of the control
// plane holds when it dies.
func breakers(requests uint32) *clusterv3.CircuitBreakers {
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     wrapperspb.UInt32(requests),
		MaxPendingRequests: wrapperspb.UInt32(requests),
		MaxRequests:        wrapperspb.UInt32(requests),
		MaxRetries:         wrapperspb.UInt32(requests),
	}}}
}

func speakHTTP2(c *clusterv3.Cluster, options *corev3.Http2ProtocolOptions) error {
	packed, err := anypb.New(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: options,
				},
			},
		},
	})
	if err != nil {
		return fmt.Errorf("rendering cluster %s: %w", c.GetName(), err)
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpProtocolOptions: packed}
	return nil
}

// pipe is the address of a Unix socket. The mode counts where Envoy makes the
// socket; zero leaves it out.
func pipe(path string, mode uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path, Mode: mode}}}
}
