package translate

import (
	"math"
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	xdstypev3 "github.com/cncf/xds/go/xds/type/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networkinputsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	metadatamatcherv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// legacyVersions are those of the era that has sessions.
	legacyVersions = `(2024-11-05|2025-03-26|2025-06-18|2025-11-25)?`
	compactJWS     = `[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`
	plainJSON      = `(?i)application/json( *; *charset=utf-8)?`
)

// absentFromFast are headers by which a request needs a closer look: those that
// the external processor judges, and those that say that the body has another
// form.
var absentFromFast = []string{
	"origin", "sec-fetch-mode", "sec-fetch-site", "content-encoding", "transfer-encoding", "trailer", headerMethod, "mcp-name",
}

// fastRoutes serve the messages of sessions that Envoy may let pass, and where
// traces are recorded, before it those of them that are chosen to be, as the
// external processor is to see those.
func (t *Translator) fastRoutes(p contract.Policy, limits *adapters.TrafficLimits) []*routev3.Route {
	fast := t.fastRoute(p, limits)
	if t.traces == nil {
		return []*routev3.Route{fast}
	}
	common := slices.Clip(fast.Match.Headers)
	fast.Match.Headers = append(common, unrecorded(*t.traces))
	if t.traces.Ratio == 0 {
		return []*routev3.Route{fast}
	}
	p.Traced = true
	traced := t.withSession(p, contract.RouteSession)
	traced.Match = proto.CloneOf(fast.Match)
	traced.Match.Headers = append(common, untraced())
	traced.Match.RuntimeFraction = &corev3.RuntimeFractionalPercent{RuntimeKey: t.told, DefaultValue: &typev3.FractionalPercent{
		Numerator: uint32(math.Round(t.traces.Ratio * samples)), Denominator: typev3.FractionalPercent_MILLION,
	}}
	return []*routev3.Route{traced, fast}
}

// samples is what a ratio of traces is counted in.
const samples = 1_000_000

// unrecorded is about requests of which no client says that their trace is
// recorded, and of which the external processor need not say that it is not.
func unrecorded(s otlp.Sampler) *routev3.HeaderMatcher {
	if !s.ParentBased {
		return untraced()
	}
	// That it is well formed is not asked: what is not is no trace to anybody.
	m := headerIs(contract.HeaderTrace, matching(`(00-[0-9a-f-]+[02468ace])?`))
	m.TreatMissingHeaderAsEmpty = true
	return m
}

// untraced is about requests that name no trace.
func untraced() *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: contract.HeaderTrace, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: false}}
}

// fastRoute serves the messages of sessions that Envoy may let pass: each one is
// a POST of known length that has nothing unusual about it. The rest comes to
// the next routes, and what Envoy does not let pass to the external processor as
// there. Streams and the ends of sessions, which the processor counts, are not
// among them.
func (t *Translator) fastRoute(p contract.Policy, limits *adapters.TrafficLimits) *routev3.Route {
	r := t.withSession(p, contract.RouteFast)
	r.Match.Headers = []*routev3.HeaderMatcher{
		headerIs(":method", exactly("POST")),
		// No query.
		headerIs(":path", exactly(endpointPath(p.Adapter))),
		headerIs(headerSession, matching(compactJWS)),
		headerIs("authorization", matching("Bearer "+compactJWS)),
		headerIs("content-type", matching(plainJSON)),
		{Name: "content-length", HeaderMatchSpecifier: &routev3.HeaderMatcher_RangeMatch{
			RangeMatch: &typev3.Int64Range{Start: 1, End: t.largestBody(limits) + 1},
		}},
	}
	version := headerIs(headerVersion, matching(legacyVersions))
	version.TreatMissingHeaderAsEmpty = true
	r.Match.Headers = append(r.Match.Headers, version)
	for _, name := range absentFromFast {
		r.Match.Headers = append(r.Match.Headers, &routev3.HeaderMatcher{
			Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: false},
		})
	}
	r.TypedPerFilterConfig[contract.FilterJWT] = verified()
	r.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		contract.MetadataNamespace: {Fields: map[string]*structpb.Value{
			routeBinding:  structpb.NewStringValue(contract.SessionBinding(p.UID, p.Version)),
			routeCreator:  structpb.NewStringValue(p.CreatedBy),
			routeResource: structpb.NewStringValue(t.address.Resource(p.Adapter).URI),
		}},
	}}
	return r
}

// largestBody is the size of the largest body that need not be looked at.
func (t *Translator) largestBody(limits *adapters.TrafficLimits) int64 {
	if limits != nil && limits.RequestBodyBytes > 0 {
		return min(int64(limits.RequestBodyBytes), t.limits.BodyBytes)
	}
	return t.limits.BodyBytes
}

// discovered is a filter whose configuration comes apart from the listener, so
// that it can change without one that drains. Until it has come, requests are
// answered with 500.
func discovered(name string, types ...proto.Message) *hcmv3.HttpFilter {
	source := &corev3.ExtensionConfigSource{ConfigSource: adsSource()}
	for _, m := range types {
		source.TypeUrls = append(source.TypeUrls, packed(m).GetTypeUrl())
	}
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_ConfigDiscovery{ConfigDiscovery: source}}
}

// judging is the filter that either lets a request pass by the verdict or shows
// it to the external processor. It is one filter, since of two, guarded by an
// expression and its negation, neither would work where the expression has an
// error.
func judging(l Limits, t Trust) (proto.Message, error) {
	expression, err := parsed(verdict(t))
	if err != nil {
		return nil, err
	}
	return &matchingv3.ExtensionWithMatcher{
		ExtensionConfig: extension("composite", &compositev3.Composite{}),
		XdsMatcher: &xdsmatcherv3.Matcher{
			MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{
				Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
					Predicate: both(sessionVerified(), predicate(
						xdsExtension("request", &xdsmatcherv3.HttpAttributesCelMatchInput{}),
						xdsExtension("verdict", &xdsmatcherv3.CelMatcher{ExprMatch: &xdstypev3.CelExpression{CelExprParsed: expression}}),
					)),
					OnMatch: executing("mooring.pass", passing()),
				}},
			}},
			OnNoMatch: executing(contract.FilterExtProc, extProc(l)),
		},
	}, nil
}

// sessionVerified holds where there is a session's token that was verified, which
// all other routes are without: they are spared the expression.
func sessionVerified() *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return predicate(
		xdsExtension("session", &networkinputsv3.DynamicMetadataInput{
			Filter: contract.FilterJWT,
			Path: []*networkinputsv3.DynamicMetadataInput_PathSegment{
				{Segment: &networkinputsv3.DynamicMetadataInput_PathSegment_Key{Key: contract.MetadataSessionToken}},
				{Segment: &networkinputsv3.DynamicMetadataInput_PathSegment_Key{Key: contract.ClaimBinding}},
			},
		}),
		xdsExtension("verified", &metadatamatcherv3.Metadata{
			Value: &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}},
		}),
	)
}

func predicate(input, matcher *xdscorev3.TypedExtensionConfig) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{
		MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
			SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
				Input:   input,
				Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_CustomMatch{CustomMatch: matcher},
			},
		},
	}
}

func both(list ...*xdsmatcherv3.Matcher_MatcherList_Predicate) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{
		MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher{
			AndMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: list},
		},
	}
}

func executing(name string, filter proto.Message) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
		Action: xdsExtension(name, &compositev3.ExecuteFilterAction{TypedConfig: extension(name, filter)}),
	}}
}

func xdsExtension(name string, m proto.Message) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: name, TypedConfig: packed(m)}
}

// passing makes of a request what the external processor would: it goes to where
// its session lives, as the server's own session. What else no server may see is
// removed after that.
func passing() *headermutationv3.HeaderMutation {
	mutations := removeAll([]string{launch.HeaderEndpoint, headerSession, launch.HeaderPrincipal})
	for _, field := range []struct{ header, claim string }{
		{headerSession, contract.ClaimUpstream},
		{launch.HeaderEndpoint, contract.ClaimEndpoint},
		{launch.HeaderPrincipal, contract.ClaimPrincipalHash},
	} {
		mutations = append(mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{
			Append: &corev3.HeaderValueOption{
				Header: &corev3.HeaderValue{
					Key:   field.header,
					Value: "%DYNAMIC_METADATA(" + contract.FilterJWT + ":" + contract.MetadataSessionToken + ":" + field.claim + ")%",
				},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			},
		}})
	}
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{RequestMutations: mutations}}
}
