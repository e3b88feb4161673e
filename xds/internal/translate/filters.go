package translate

import (
	"slices"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	statefulv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlymutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	headerstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/header/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	filterStatefulSession = "envoy.filters.http.stateful_session"
	filterRouter          = "envoy.filters.http.router"

	// filterStripRequest stands after all that still needs what it removes.
	filterStripRequest = "mooring.strip_request"

	envoyHeaderPrefix = "x-envoy-"

	// statusSessionGone tells a client that the replica of its session is no
	// more, so that it initialises again.
	statusSessionGone = 404
)

// hiddenFromUpstream are the request headers that no adapter may see, whoever let
// the request pass: the caller's credentials, where it is pinned, what a browser
// says of the page, and what tells of the network before the gateway.
var hiddenFromUpstream = []string{
	"authorization", "cookie", "forwarded", "origin", "proxy-authorization", "referer", "true-client-ip", "via", "x-api-key",
	"x-real-ip", launch.HeaderEndpoint,
}

// hiddenPrefixes begin the names of further such headers. Envoy itself adds some.
var hiddenPrefixes = []string{authn.HeaderDevPrefix, "sec-fetch-", "x-forwarded-", envoyHeaderPrefix}

// hiddenFromClients are the response headers that no upstream may send: what
// would act on the whole origin, which all adapters share.
var hiddenFromClients = []string{
	"set-cookie", "alt-svc", "clear-site-data",
	"access-control-allow-origin", "access-control-allow-credentials",
	"access-control-allow-headers", "access-control-allow-methods",
	"access-control-expose-headers", "access-control-max-age",
}

// publicFilters is the filter chain of the public listener. Responses pass it
// from the end: the response is stripped last.
func publicFilters(r resolved) []*hcmv3.HttpFilter {
	judge := []*hcmv3.HttpFilter{filter(contract.FilterExtProc, extProc(r.limits))}
	if r.fast {
		judge = []*hcmv3.HttpFilter{
			discovered(contract.FilterJWT, &jwtv3.JwtAuthentication{}),
			discovered(contract.FilterExtProc, &extprocv3.ExternalProcessor{}, &matchingv3.ExtensionWithMatcher{}),
		}
	}
	return slices.Concat([]*hcmv3.HttpFilter{
		filter(contract.FilterStripResponse, stripResponse()),
	}, judge, []*hcmv3.HttpFilter{
		filter(filterStatefulSession, statefulSession(true)),
		filter(filterStripRequest, stripRequest()),
		filter(filterRouter, router()),
	})
}

func filter(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// router adds none of Envoy's own headers: upstreams are not to know the path
// that the client used, nor timeouts.
func router() *routerv3.Router { return &routerv3.Router{SuppressEnvoyHeaders: true} }

// stripEarly removes the gateway's own headers from requests before anything
// else looks at them.
func stripEarly() *corev3.TypedExtensionConfig {
	return extension("mooring.strip_early", &earlymutationv3.HeaderMutation{Mutations: []*mutationv3.HeaderMutation{
		removeBeginning(launch.InternalHeaderPrefix), removeBeginning(envoyHeaderPrefix),
	}})
}

// stripRequest removes what no adapter may see.
func stripRequest() *headermutationv3.HeaderMutation {
	mutations := removeAll(hiddenFromUpstream)
	for _, prefix := range hiddenPrefixes {
		mutations = append(mutations, removeBeginning(prefix))
	}
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{RequestMutations: mutations}}
}

func stripResponse() *headermutationv3.HeaderMutation {
	mutations := append(removeAll(hiddenFromClients),
		removeBeginning(launch.InternalHeaderPrefix), removeBeginning(envoyHeaderPrefix))
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{ResponseMutations: mutations}}
}

func removeAll(names []string) []*mutationv3.HeaderMutation {
	out := make([]*mutationv3.HeaderMutation, 0, len(names))
	for _, name := range names {
		out = append(out, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: name}})
	}
	return out
}

func removeBeginning(prefix string) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
		RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: beginning(prefix)},
	}}
}

func extProc(l Limits) *extprocv3.ExternalProcessor {
	return &extprocv3.ExternalProcessor{
		GrpcService:    grpcService(contract.ClusterExtProc),
		StatPrefix:     "mooring",
		ProcessingMode: processingMode(),
		MessageTimeout: durationpb.New(l.InspectionTimeout),
		// One round trip: the body follows its headers at once, and the answer
		// to the headers waits until the body is judged.
		SendBodyWithoutWaitingForHeaderResponse: true,
		FailureModeAllow:                        false,
		// The route was chosen by what the client sent.
		RouteCacheAction: extprocv3.ExternalProcessor_RETAIN,
		MutationRules: &mutationv3.HeaderMutationRules{
			AllowAllRouting: wrapperspb.Bool(false),
			AllowEnvoy:      wrapperspb.Bool(false),
			DisallowSystem:  wrapperspb.Bool(true),
			DisallowIsError: wrapperspb.Bool(true),
		},
		MetadataOptions: &extprocv3.MetadataOptions{
			ReceivingNamespaces: &extprocv3.MetadataOptions_MetadataNamespaces{
				Untyped: []string{contract.MetadataNamespace},
			},
		},
	}
}

// processingMode is that of all routes but birth. Request headers are never
// skipped, or a POST without a body would pass uninspected; response headers
// are, or Envoy's own refusals of a broken request would be swallowed.
func processingMode() *extprocv3.ProcessingMode {
	return &extprocv3.ProcessingMode{
		RequestHeaderMode:   extprocv3.ProcessingMode_SEND,
		RequestBodyMode:     extprocv3.ProcessingMode_STREAMED,
		RequestTrailerMode:  extprocv3.ProcessingMode_SKIP,
		ResponseHeaderMode:  extprocv3.ProcessingMode_SKIP,
		ResponseBodyMode:    extprocv3.ProcessingMode_NONE,
		ResponseTrailerMode: extprocv3.ProcessingMode_SKIP,
	}
}

// statefulSession brings a request to the endpoint that it names. With strict,
// one that is gone is statusSessionGone; without, any other serves.
func statefulSession(strict bool) *statefulv3.StatefulSession {
	s := &statefulv3.StatefulSession{
		SessionState: extension("envoy.http.stateful_session.header",
			&headerstatev3.HeaderBasedSessionState{Name: launch.HeaderEndpoint}),
		Strict: strict,
	}
	if strict {
		s.StatusOnStrictDestinationNotFound = statusSessionGone
	}
	return s
}

func grpcService(cluster string) *corev3.GrpcService {
	return &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
		EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster},
	}}
}
