package translate

import (
	"net/netip"
	"slices"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// Values of Envoy's guide for edge proxies.
	maxStreams           = 100
	streamWindow         = 64 << 10
	connectionWindow     = 1 << 20
	connectionIdle       = 15 * time.Minute
	defaultStreamIdle    = 5 * time.Minute
	maxHeaders           = 100
	maxRequestHeadersKiB = 60

	keepAliveIdle     = 60
	keepAliveInterval = 15
	keepAliveProbes   = 4

	// pingInterval and pingTimeout are the same for HTTP/2, where a proxy on the
	// way may answer for the transport.
	pingInterval = time.Minute
	pingTimeout  = 15 * time.Second
)

// publicListener serves MCP and the API.
func publicListener(r resolved) *listenerv3.Listener {
	hcm := connectionManager(contract.StatPublic, r.limits)
	hcm.HttpFilters = publicFilters(r)
	hcm.LocalReplyConfig = localReplies()
	hcm.AccessLog = []*accesslogv3.AccessLog{openRequests(), allRequests(r.told)}
	hcm.AccessLogOptions = &hcmv3.HttpConnectionManager_HcmAccessLogOptions{AccessLogFlushInterval: durationpb.New(openInterval)}
	hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
		ConfigSource: adsSource(), RouteConfigName: contract.RoutesPublic,
	}}
	return listener(contract.ListenerPublic, r.public, r.limits, hcm)
}

// opsListener serves metrics and health. Its routes are its own: they never
// change.
func opsListener(r resolved) *listenerv3.Listener {
	hcm := connectionManager("ops", r.limits)
	hcm.HttpFilters = []*hcmv3.HttpFilter{filter(filterRouter, router())}
	hcm.LocalReplyConfig = localReplies()
	hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: opsRoutes(r.opsHosts)}
	return listener(contract.ListenerOps, r.ops, r.limits, hcm)
}

func listener(name string, at netip.AddrPort, l Limits, hcm *hcmv3.HttpConnectionManager) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          name,
		Address:                       socketAddress(at),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(l.BufferBytes),
		// A peer that is gone without a word is found by the transport, since no
		// timeout ends a stream.
		TcpKeepalive: keepAlive(),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(hcm)},
		}}}},
	}
}

func keepAlive() *corev3.TcpKeepalive {
	return &corev3.TcpKeepalive{
		KeepaliveTime:     wrapperspb.UInt32(keepAliveIdle),
		KeepaliveInterval: wrapperspb.UInt32(keepAliveInterval),
		KeepaliveProbes:   wrapperspb.UInt32(keepAliveProbes),
	}
}

// connectionManager is hardened as Envoy's guide for edge proxies says. There
// are no upgrades, so Envoy refuses them and CONNECT.
func connectionManager(statPrefix string, l Limits) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		StatPrefix:                    statPrefix,
		CodecType:                     hcmv3.HttpConnectionManager_AUTO,
		UseRemoteAddress:              wrapperspb.Bool(true),
		InternalAddressConfig:         &hcmv3.HttpConnectionManager_InternalAddressConfig{},
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{stripEarly()},
		NormalizePath:                 wrapperspb.Bool(true),
		MergeSlashes:                  true,
		PathWithEscapedSlashesAction:  hcmv3.HttpConnectionManager_REJECT_REQUEST,
		ServerHeaderTransformation:    hcmv3.HttpConnectionManager_OVERWRITE,
		ServerName:                    "mooring",
		RequestTimeout:                durationpb.New(l.RequestTimeout),
		RequestHeadersTimeout:         durationpb.New(l.RequestHeadersTimeout),
		StreamIdleTimeout:             durationpb.New(defaultStreamIdle),
		MaxRequestHeadersKb:           wrapperspb.UInt32(maxRequestHeadersKiB),
		AlwaysSetRequestIdInResponse:  true,
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:                  durationpb.New(connectionIdle),
			MaxHeadersCount:              wrapperspb.UInt32(maxHeaders),
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
		},
		// What names its own host could differ from Host.
		HttpProtocolOptions: &corev3.Http1ProtocolOptions{AllowAbsoluteUrl: wrapperspb.Bool(false)},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			ConnectionKeepalive: &corev3.KeepaliveSettings{
				Interval: durationpb.New(pingInterval), Timeout: durationpb.New(pingTimeout),
			},
			MaxConcurrentStreams:        wrapperspb.UInt32(maxStreams),
			InitialStreamWindowSize:     wrapperspb.UInt32(streamWindow),
			InitialConnectionWindowSize: wrapperspb.UInt32(connectionWindow),
		},
	}
}

// opsRoutes are the routes of the operations listener. Nothing of Envoy's
// admin interface but its metrics is among them.
func opsRoutes(hosts []string) *routev3.RouteConfiguration {
	all := &routev3.RouteConfiguration{
		Name: contract.ListenerOps,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    "ops",
			Domains: hosts,
			Routes: []*routev3.Route{
				opsRoute(exactPath("/metrics/envoy"), contract.ClusterEnvoyAdmin, "/stats/prometheus"),
				opsRoute(exactPath("/metrics/extproc"), contract.ClusterExtProcOps, "/metrics"),
				opsRoute(exactPath("/metrics/xds"), contract.ClusterControlPlaneOps, "/metrics"),
				opsRoute(pathPrefix("/metrics/adapters/"), contract.ClusterControlPlaneOps, ""),
				opsRoute(exactPath("/sd"), contract.ClusterControlPlaneOps, ""),
				opsRoute(exactPath("/healthz"), contract.ClusterControlPlaneOps, ""),
				// Who restarts Envoy, or sends nobody to it, must not ask the control
				// plane, without which it goes on.
				opsRoute(exactPath("/healthz/envoy"), contract.ClusterEnvoyAdmin, "/ready"),
				opsRoute(exactPath("/healthz/extproc"), contract.ClusterExtProcOps, "/healthz"),
				opsRoute(exactPath("/readyz"), contract.ClusterControlPlaneOps, ""),
			},
		}},
	}
	if !slices.Contains(hosts, anyHost) {
		all.VirtualHosts = append(all.VirtualHosts, &routev3.VirtualHost{
			Name:    "misdirected",
			Domains: []string{anyHost},
			Routes:  []*routev3.Route{{Match: pathPrefix("/"), Action: directResponse(421)}},
		})
	}
	return all
}

func opsRoute(match *routev3.RouteMatch, cluster, rewrite string) *routev3.Route {
	match.Headers = []*routev3.HeaderMatcher{headerIs(":method", matching("GET|HEAD"))}
	return &routev3.Route{
		Match: match,
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
			PrefixRewrite:    rewrite,
		}},
	}
}

func exactPath(path string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}}
}

func pathPrefix(prefix string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}}
}
