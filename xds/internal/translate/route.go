package translate

import (
	"time"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// apiStreamIdle bounds a silent stream of the control plane, such as that of a
// log that is followed.
const apiStreamIdle = time.Hour

const (
	// apiRetries suffice to find, of two control planes, the one that is there.
	apiRetries = 2
	// apiSelections is how often another is looked for than that which was tried.
	apiSelections = 4
)

// publicRoutes is the one route configuration of the public listener.
func (t *Translator) publicRoutes(list []*Adapter) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{
		Name: contract.RoutesPublic,
		// Servers echo their own session id on each answer, and clients take it
		// over. It goes where only the external processor reads it; this level's
		// removal comes after the virtual host's addition.
		ResponseHeadersToRemove: []string{headerSession},
		// Routes have made of it what the server gets; this comes after them.
		RequestHeadersToRemove: []string{launch.HeaderAuthorization},
		VirtualHosts: []*routev3.VirtualHost{
			{
				Name: "mooring", Domains: t.hosts, Matcher: routeMatcher(list),
				ResponseHeadersToAdd: []*corev3.HeaderValueOption{{
					Header: &corev3.HeaderValue{
						Key: contract.HeaderUpstreamSession, Value: "%RESPONSE_HEADER(" + headerSession + ")%",
					},
					AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
				}},
			},
			misdirected(),
		},
	}
}

// misdirected answers every Host that is not the gateway's.
func misdirected() *routev3.VirtualHost {
	return &routev3.VirtualHost{
		Name:    "misdirected",
		Domains: []string{"*"},
		Routes: []*routev3.Route{
			connectRoute(),
			{
				Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				Action:               directResponse(421),
				TypedPerFilterConfig: outsideAdapters(),
			},
		},
	}
}

func directResponse(status uint32) *routev3.Route_DirectResponse {
	return &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: status}}
}

// routeMatcher finds an adapter's routes by the prefix of the path, in time
// that does not grow with the number of adapters. A plain list of routes was
// eight times slower with 10,000 of them.
func routeMatcher(list []*Adapter) *xdsmatcherv3.Matcher {
	out := &xdsmatcherv3.Matcher{OnNoMatch: matched(packed(&routev3.RouteList{Routes: apiRoutes()}))}
	if len(list) == 0 {
		// An empty map is refused, a matcher without any is not.
		list = []*Adapter{{Routes: out.OnNoMatch.GetAction().GetTypedConfig()}}
	}
	byPath := make(map[string]*xdsmatcherv3.Matcher_OnMatch, len(list))
	for _, a := range list {
		byPath[endpointPath(a.Name)] = matched(a.Routes)
	}
	out.MatcherType = &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
		Input: &xdscorev3.TypedExtensionConfig{
			Name:        "path",
			TypedConfig: packed(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: ":path"}),
		},
		TreeType: &xdsmatcherv3.Matcher_MatcherTree_PrefixMatchMap{
			PrefixMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: byPath},
		},
	}}
	return out
}

func matched(routes *anypb.Any) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
		Action: &xdscorev3.TypedExtensionConfig{Name: "routes", TypedConfig: routes},
	}}
}

// endpointPath is where the adapter of that name is reached.
func endpointPath(name string) string { return "/adapters/" + name + "/mcp" }

// apiRoutes are the routes of all that is no adapter's endpoint, those of
// unknown adapters included: the control plane authenticates, then answers 404.
func apiRoutes() []*routev3.Route {
	return []*routev3.Route{
		connectRoute(),
		{
			Match: &routev3.RouteMatch{
				PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"},
				Headers:       []*routev3.HeaderMatcher{headerIs(":method", exactly("TRACE"))},
			},
			Action:               directResponse(405),
			TypedPerFilterConfig: outsideAdapters(),
		},
		apiRoute(),
	}
}

// connectRoute is for CONNECT, which has no path and so matches no other route:
// without one it would be shown to the external processor, with no policy. Envoy
// refuses it by itself, since it is an upgrade that is not enabled.
func connectRoute() *routev3.Route {
	return &routev3.Route{
		Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}}},
		Action:               directResponse(403),
		TypedPerFilterConfig: outsideAdapters(),
	}
}

func apiRoute() *routev3.Route {
	return &routev3.Route{
		Name:  "api",
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: contract.ClusterAPI},
			// Following a log is an answer without end.
			Timeout:     durationpb.New(0),
			IdleTimeout: durationpb.New(apiStreamIdle),
			RetryPolicy: elsewhere(),
		}},
		TypedPerFilterConfig: outsideAdapters(),
	}
}

// elsewhere lets what no control plane has got go to another, where there is one.
func elsewhere() *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn: "connect-failure,reset-before-request", NumRetries: wrapperspb.UInt32(apiRetries),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{})},
		}},
		HostSelectionRetryMaxAttempts: apiSelections,
	}
}

// outsideAdapters switches off what only adapters' endpoints need. Routes that
// do not say so keep it: forgetting fails closed. What the control plane answers
// is its own, so that it may say to which pages (RFC 9728 is for all).
func outsideAdapters() map[string]*anypb.Any {
	off := packed(&routev3.FilterConfig{Disabled: true})
	return map[string]*anypb.Any{
		contract.FilterExtProc: off,
		filterStatefulSession:  off,
		filterStripRequest:     off,

		contract.FilterStripResponse: off,
	}
}

func headerIs(name string, value *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name:                 name,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: value},
	}
}

func exactly(value string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value}}
}

func matching(regex string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: regex},
	}}
}

func beginning(prefix string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}}
}
