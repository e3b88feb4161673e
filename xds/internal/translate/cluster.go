package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	connectTimeout   = 5 * time.Second
	endpointsTimeout = 2 * time.Second
	// upstreamIdleTimeout lies below the keep-alive of common servers (five
	// seconds in Node and uvicorn): a connection that the server closes while a
	// POST is on its way to it fails that POST, which may not be retried.
	upstreamIdleTimeout = 4 * time.Second
	// bridgeIdleTimeout is that of connections to the bridge, which never closes one
	// first. Calls of an adapter that is called now and then are spared a connection
	// each, and where a network lies between, a handshake.
	bridgeIdleTimeout = time.Minute

	// spareConnections are those that an adapter may have beside the ones that its
	// limit of requests can need.
	spareConnections = 1024

	upstreamOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
)

// clusterOf is the cluster of a. It depends on little of a, so that few changes
// make Envoy warm the cluster anew.
func (t *Translator) clusterOf(a adapters.Adapter) *clusterv3.Cluster {
	cluster := &clusterv3.Cluster{
		Name: contract.AdapterCluster(a.Name),
		// Statistics, and so metrics, carry the adapter's plain name.
		AltStatName:          a.Name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: endpointSource()},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LbPolicy:             clusterv3.Cluster_LEAST_REQUEST,
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			// Panic would send new sessions to endpoints that drain.
			HealthyPanicThreshold: &typev3.Percent{Value: 0},
			// A pinned session reaches its endpoint even while that drains.
			OverrideHostStatus: &corev3.HealthStatusSet{Statuses: []corev3.HealthStatus{
				corev3.HealthStatus_HEALTHY, corev3.HealthStatus_UNKNOWN,
				corev3.HealthStatus_DEGRADED, corev3.HealthStatus_DRAINING,
			}},
		},
		CircuitBreakers: t.circuitBreakers(a),
		// On Unix sockets this has no effect.
		UpstreamConnectionOptions: &clusterv3.UpstreamConnectionOptions{TcpKeepalive: keepAlive()},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			upstreamOptionsKey: packed(upstreamHTTP(idleTimeout(a))),
		},
	}
	if t.pods {
		onNetwork(cluster, a)
	}
	if hashes(a) {
		// Requests without a key, as those that begin a session, go anywhere. A
		// ring has a fixed number of places: with a fourth endpoint each of the
		// three has fewer, and 12 % of the keys moved between them; here 0.2 %.
		cluster.LbPolicy = clusterv3.Cluster_MAGLEV
		cluster.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{
			TableSize: wrapperspb.UInt64(hashPlaces(a)),
		}}
	}
	return cluster
}

// endpointSource waits for endpoints for a short time only. A cluster that
// changes, as with an upgrade of the control plane, waits for endpoints, which
// are not sent again where they have not changed; then it takes those that it
// had. Until then it takes no other change of clusters.
func endpointSource() *corev3.ConfigSource {
	source := adsSource()
	source.InitialFetchTimeout = durationpb.New(endpointsTimeout)
	return source
}

// circuitBreakers bound what one adapter takes of Envoy. Requests wait for a
// connection where there may be no more of those, and are refused where there
// may be no more requests: so connections, of which some are idle, may be more.
func (t *Translator) circuitBreakers(a adapters.Adapter) *clusterv3.CircuitBreakers {
	limit := t.limits.AdapterRequests
	if a.Limits != nil && a.Limits.ConcurrentRequests > 0 {
		limit = uint32(a.Limits.ConcurrentRequests)
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     wrapperspb.UInt32(2*limit + spareConnections),
		MaxPendingRequests: wrapperspb.UInt32(limit),
		MaxRequests:        wrapperspb.UInt32(limit),
		MaxRetries:         wrapperspb.UInt32(t.retriesOf(a, limit)),
	}}}
}

// idleTimeout is how long a connection to a's server is kept for the next request.
func idleTimeout(a adapters.Adapter) time.Duration {
	if a.ImageName == adapters.BridgeImage {
		return bridgeIdleTimeout
	}
	return upstreamIdleTimeout
}

func upstreamHTTP(idle time.Duration) *upstreamhttpv3.HttpProtocolOptions {
	return &upstreamhttpv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout: durationpb.New(idle),
		},
		UpstreamProtocolOptions: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
					HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
				},
			},
		},
	}
}
