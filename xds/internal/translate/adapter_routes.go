package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	headerSession = "mcp-session-id"
	headerVersion = "mcp-protocol-version"
	headerMethod  = "mcp-method"
	methodListen  = "subscriptions/listen"

	// upstreamPath is where every server serves MCP.
	upstreamPath = "/mcp"

	// modernVersions are the protocol versions of the modern era: 2026-07-28
	// and all dates after it.
	modernVersions = `2026-07-(2[89]|3[01])|2026-(0[89]|1[0-2])-[0-9]{2}|20(2[7-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}`
)

// adapterRoutes are the routes of the endpoint of a, which has these tools; the
// first that matches serves.
func (t *Translator) adapterRoutes(a adapters.Adapter, tools []string) *routev3.RouteList {
	policy := policyOf(a)
	// Not in the version: which tools there are is nothing that requests are judged
	// by, and sessions are to stay with Envoy when one is added.
	policy.ToolNames = bounded(tools)
	routes := []*routev3.Route{
		t.sessionRoute(policy),
		t.modernRoute(policy, a.Affinity),
		t.birthRoute(policy),
	}
	if t.isFast(a) {
		routes = append(t.fastRoutes(policy, a.Limits), routes...)
	}
	if timeout := t.requestTimeout(a); timeout > 0 {
		streams := []*routev3.Route{t.streamRoute(policy), t.listenRoute(policy, a.Affinity)}
		for _, r := range routes {
			r.GetRoute().Timeout = durationpb.New(min(timeout, t.limits.StreamDuration))
			// Envoy minds no timeout beside this. The timeout is that of the whole
			// answer, streamed or not.
			r.GetRoute().MaxStreamDuration = nil
		}
		routes = append(streams, routes...)
	}
	for _, r := range routes {
		if a.RecoversSessions() {
			goOnElsewhere(r)
		}
		if t.waker.on {
			mayBeHeld(r, a.Name)
		}
	}
	// The prefix tree also brings what only begins like the endpoint.
	return &routev3.RouteList{Routes: append(routes, apiRoute())}
}

// isFast reports whether Envoy may serve requests to a by itself.
func (t *Translator) isFast(a adapters.Adapter) bool {
	return t.fast && a.Inspection == adapters.InspectionSession
}

// requestTimeout bounds the answers to a's requests. Zero means that only the
// duration of streams does.
func (t *Translator) requestTimeout(a adapters.Adapter) time.Duration {
	if a.Limits != nil && a.Limits.RequestTimeoutSeconds > 0 {
		return time.Duration(a.Limits.RequestTimeoutSeconds) * time.Second
	}
	return t.limits.AnswerTimeout
}

// streamRoute serves the streams of server messages of the legacy era, which no
// timeout of requests ends. Sessions are not born on them.
func (t *Translator) streamRoute(p contract.Policy) *routev3.Route {
	r := t.sessionRoute(p)
	r.Name = p.Adapter + "/stream"
	r.Match.Headers = []*routev3.HeaderMatcher{headerIs(":method", exactly("GET"))}
	return r
}

// listenRoute serves the same of the modern era. That the header says what the
// body does is the external processor's to see.
func (t *Translator) listenRoute(p contract.Policy, affinity adapters.Affinity) *routev3.Route {
	r := t.modernRoute(p, affinity)
	r.Name = p.Adapter + "/listen"
	r.Match.Headers = append(r.Match.Headers, headerIs(headerMethod, exactly(methodListen)))
	return r
}

// sessionRoute serves requests that name a session.
func (t *Translator) sessionRoute(p contract.Policy) *routev3.Route {
	r := t.withSession(p, contract.RouteSession)
	r.Match.Headers = []*routev3.HeaderMatcher{{
		Name:                 headerSession,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
	}}
	return r
}

// withSession is a route that shows response headers to the external processor,
// since an initialize may carry an id of the client's own, and a DELETE ends a
// session; of all else the processor takes its leave before.
func (t *Translator) withSession(p contract.Policy, route contract.Route) *routev3.Route {
	return t.adapterRoute(p, route, &extprocv3.ExtProcOverrides{ProcessingMode: responseToo(p)})
}

// modernRoute serves requests of the modern era, which has no sessions.
func (t *Translator) modernRoute(p contract.Policy, affinity adapters.Affinity) *routev3.Route {
	o := &extprocv3.ExtProcOverrides{}
	if p.Tools != nil {
		o.ProcessingMode = responseToo(p)
	}
	r := t.adapterRoute(p, contract.RouteModern, o)
	r.Match.Headers = []*routev3.HeaderMatcher{headerIs(headerVersion, matching(modernVersions))}
	r.GetRoute().HashPolicy = hashPolicy(affinity)
	return r
}

// birthRoute serves the rest. It shows response headers to the external
// processor, which signs the session that may be in them.
func (t *Translator) birthRoute(p contract.Policy) *routev3.Route {
	return t.adapterRoute(p, contract.RouteBirth, &extprocv3.ExtProcOverrides{ProcessingMode: responseToo(p)})
}

// responseToo is processingMode with the response's headers, and with its body
// where lists of tools may have to be filtered. The processor takes its leave
// before any other body.
func responseToo(p contract.Policy) *extprocv3.ProcessingMode {
	mode := processingMode()
	mode.ResponseHeaderMode = extprocv3.ProcessingMode_SEND
	if p.Tools != nil {
		mode.ResponseBodyMode = extprocv3.ProcessingMode_STREAMED
	}
	return mode
}

func (t *Translator) adapterRoute(p contract.Policy, route contract.Route, o *extprocv3.ExtProcOverrides) *routev3.Route {
	p.Route = route
	o.GrpcInitialMetadata = []*corev3.HeaderValue{{Key: contract.PolicyMetadataKey, Value: p.Encode()}}
	return &routev3.Route{
		RequestHeadersToAdd: exchanged(p),

		Name:  p.Adapter + "/" + string(route),
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: endpointPath(p.Adapter)}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: contract.AdapterCluster(p.Adapter)},
			PrefixRewrite:    upstreamPath,
			// Streams end with their maximum duration, and by nothing else.
			Timeout:           durationpb.New(0),
			IdleTimeout:       durationpb.New(0),
			MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(t.limits.StreamDuration)},
		}},
		ResponseHeadersToAdd:    inertAnswers(),
		ResponseHeadersToRemove: hiddenFromCallers,
		TypedPerFilterConfig: map[string]*anypb.Any{
			contract.FilterExtProc: packed(&extprocv3.ExtProcPerRoute{
				Override: &extprocv3.ExtProcPerRoute_Overrides{Overrides: o},
			}),
		},
	}
}

// hiddenFromCallers are the headers by which an upstream's answer would send a
// browser or an MCP client elsewhere, or change how it treats the gateway. The
// gateway's own refusals, which carry some of them, are not the upstream's.
var hiddenFromCallers = []string{
	"www-authenticate", "proxy-authenticate", "location", "refresh", "link",
	"strict-transport-security", "service-worker-allowed", "x-powered-by",
}

// inertAnswers keeps a browser from running what an upstream answers: it would
// run in the gateway's own origin, which is also the API's.
func inertAnswers() []*corev3.HeaderValueOption {
	set := func(key, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: key, Value: value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}
	}
	return []*corev3.HeaderValueOption{
		set("x-content-type-options", "nosniff"),
		set("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
		set("cross-origin-resource-policy", "same-origin"),
	}
}

// exchanged puts the token that the external processor has got for the server
// where the client's own was: that is gone by then, whatever the processor did.
func exchanged(p contract.Policy) []*corev3.HeaderValueOption {
	if !p.Upstream.Is(adapters.UpstreamExchange) {
		return nil
	}
	return []*corev3.HeaderValueOption{{
		Header:       &corev3.HeaderValue{Key: "authorization", Value: "%REQ(" + launch.HeaderAuthorization + ")%"},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}}
}

// policyOf is a's policy but for the route.
func policyOf(a adapters.Adapter) contract.Policy {
	p := contract.Policy{
		Adapter:       a.Name,
		UID:           a.ID,
		CreatedBy:     a.CreatedBy,
		RequiredRoles: a.RequiredRoles,
		Tools:         a.ToolRules,
		Limits:        a.Limits,
		Upstream:      a.UpstreamAuth,
	}
	p.Version = digest(p)
	return p
}

const (
	// maxToolNames and maxToolBytes bound the names that a policy has, since each
	// request brings it to the external processor.
	maxToolNames = 200
	maxToolBytes = 4 << 10
)

// bounded are the names that come first and fit.
func bounded(names []string) []string {
	size := 0
	for i, name := range names {
		if size += len(name); i >= maxToolNames || size > maxToolBytes {
			return names[:i]
		}
	}
	return names
}

// digest changes whenever anything in p does: 16 hex characters.
func digest(p contract.Policy) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("translate: a policy of strings cannot fail to marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
