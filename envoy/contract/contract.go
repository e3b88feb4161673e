// Package contract holds the names and values that both sides of Envoy share:
// what the control plane writes into Envoy's configuration and what the
// external processor is handed back with each request. It does nothing with
// them.
package contract

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/mooring-mcp/mooring/adapters"
)

// Names of clusters. Envoy's own begin with InternalClusterPrefix and those of
// adapters with AdapterClusterPrefix, so that no adapter can be named like one
// of Envoy's own.
const (
	InternalClusterPrefix = "mooring.internal."
	// ClusterADS is the control plane's aggregated discovery service.
	ClusterADS = InternalClusterPrefix + "ads"
	// ClusterAPI is the control plane's HTTP API.
	ClusterAPI = InternalClusterPrefix + "api"
	// ClusterControlPlaneOps is the control plane's metrics and health.
	ClusterControlPlaneOps = InternalClusterPrefix + "xds-ops"
	// ClusterExtProc is the external processor.
	ClusterExtProc = InternalClusterPrefix + "extproc"
	// ClusterExtProcLog is its access log service. On one machine its socket is
	// there while the processor is not.
	ClusterExtProcLog = InternalClusterPrefix + "extproc-log"
	// ClusterExtProcOps is the external processor's metrics and health.
	ClusterExtProcOps = InternalClusterPrefix + "extproc-ops"
	// ClusterEnvoyAdmin is Envoy's own admin interface, for its metrics.
	ClusterEnvoyAdmin = InternalClusterPrefix + "envoy-admin"

	AdapterClusterPrefix = "adapter/"
)

// AdapterCluster is the name of the cluster, and of the endpoint resource, of
// the adapter.
func AdapterCluster(name string) string { return AdapterClusterPrefix + name }

// Names of filters, listeners, routes and metadata.
const (
	// FilterExtProc is the name in the filter list and the key of per-route
	// configuration.
	FilterExtProc = "envoy.filters.http.ext_proc"
	// FilterJWT verifies tokens for the fast route. It is the name in the filter
	// list, the key of per-route configuration and of the metadata that it
	// leaves.
	FilterJWT = "envoy.filters.http.jwt_authn"
	// FilterStripResponse removes internal and dangerous response headers.
	FilterStripResponse = "mooring.strip_response"
	// ListenerPublic serves MCP and the API.
	ListenerPublic = "mooring.public"
	// ListenerOps serves metrics.
	ListenerOps = "mooring.ops"
	// ListenerWaker serves Envoy itself: requests to adapters without a replica that
	// serves go through it to the control plane, which holds them.
	ListenerWaker = "mooring.waker"
	// HostWaker is the Host of such requests. The public listener lets it in from
	// nobody.
	HostWaker = "waker.mooring.internal"
	// StatPublic is what statistics of ListenerPublic are named by.
	StatPublic = "public"
	// RoutesPublic is the route configuration of ListenerPublic.
	RoutesPublic = "mooring.public"
	// MetadataNamespace is the dynamic metadata that the external processor
	// emits for the access log, and the route metadata of the fast route.
	MetadataNamespace = "mooring"
	// MetadataVerdict is the key of MetadataNamespace that holds VerdictAllow or
	// the reason of a refusal. Envoy passes on the body of a refusal by it: to
	// Envoy, what the external processor answers is a local reply like its own,
	// whose body it would write anew.
	MetadataVerdict = "verdict"
	// MetadataLease is the key of MetadataNamespace that holds what an open
	// request is counted by. Envoy logs such requests to the external processor:
	// again and again while they are open, and when they have ended.
	MetadataLease = "lease"
	// ListedYes and ListedNo are values of Judged.Listed.
	ListedYes = "yes"
	ListedNo  = "no"
	// VerdictAllow is the verdict on what goes on.
	VerdictAllow = "allow"
	// MetadataJudged is the key of an encoded Judged: all of it in one field of
	// LogRequests.
	MetadataJudged = "judged"
)

// Names of the access logs that Envoy sends to the external processor, by which
// it knows them apart.
const (
	// LogOpen tells of requests that are counted as long as they are open, at
	// once.
	LogOpen = "mooring.open"
	// LogRequests tells of all requests of the public listener, each in a line of
	// fields: it comes by OpenTelemetry's protocol, the other one by Envoy's own.
	LogRequests = "mooring.requests"
)

// HeaderTrace is the header of W3C's trace context, which LogRequests tells.
const HeaderTrace = "traceparent"

// PathSeries and the name of an adapter is where the external processor's
// operations socket is told, by DELETE, that the adapter is no more, so that it
// drops the series of it.
const PathSeries = "/metrics/adapters/"

// HeaderUpstreamSession is the response header in which Envoy hands the
// upstream's session id to the external processor. Mcp-Session-Id itself is
// removed from every response, so that an upstream's id reaches no client.
const HeaderUpstreamSession = "x-mooring-upstream-session"

// PolicyMetadataKey is the gRPC initial metadata that carries a route's Policy
// to the external processor.
const PolicyMetadataKey = "x-mooring-policy"

// Policy is what the external processor must know of an adapter to judge a
// request to it. The route carries it, so that policy and route arrive in one
// snapshot and can never disagree.
type Policy struct {
	// Adapter is the adapter's name.
	Adapter string `json:"adapter"`
	// UID is the adapter's ID.
	UID adapters.UID `json:"uid"`
	// Version changes whenever anything in the policy does. Session tokens
	// carry it.
	Version string `json:"pv"`
	// CreatedBy and RequiredRoles are the adapter's Access.
	CreatedBy     string   `json:"createdBy"`
	RequiredRoles []string `json:"requiredRoles,omitempty"`
	// Tools are the adapter's rules for tools. Nil means that all may be called.
	Tools *adapters.ToolRules `json:"tools,omitempty"`
	// Limits are the adapter's own, of which those that count requests are the
	// external processor's. Nil means none of its own.
	Limits *adapters.TrafficLimits `json:"limits,omitempty"`
	// Upstream is what reaches the server of who calls. Nil means nothing.
	Upstream *adapters.UpstreamAuth `json:"upstream,omitempty"`
	// ToolNames are the names of the adapter's tools, at most 200: those that
	// metrics show. No request is judged by them, and Version does not depend on
	// them. Nil means that they are not known.
	ToolNames []string `json:"toolNames,omitzero"`
	// Route is which of the adapter's routes matched.
	Route Route `json:"route"`
	// Traced says that the route chose the request as one of those whose trace is
	// recorded. False means that the external processor chooses.
	Traced bool `json:"traced,omitempty"`
}

// Route names one of the routes of an adapter, in order of matching.
type Route string

const (
	// RouteFast is what Envoy may let pass by itself: a message of a session of an
	// adapter with inspection session, whose trace nobody records. What it does not
	// let pass is the external processor's, as on RouteSession.
	RouteFast Route = "fast"
	// RouteSession has an Mcp-Session-Id.
	RouteSession Route = "session"
	// RouteModern has a protocol version of the modern era and no session.
	RouteModern Route = "modern"
	// RouteBirth is all else: the only one where response headers are looked
	// at, since a session may be born.
	RouteBirth Route = "birth"
)

// Access is the part of p that decides who may read the adapter.
func (p Policy) Access() adapters.Access {
	return adapters.Access{CreatedBy: p.CreatedBy, RequiredRoles: p.RequiredRoles}
}

// Encode is p as gRPC metadata: base64url of JSON, since a percent sign in a
// value would be a format string to Envoy.
func (p Policy) Encode() string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	// Metadata is bounded, and expressions are full of what this would escape.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		panic("contract: a policy of strings cannot fail to marshal: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSpace(text.Bytes()))
}

// DecodePolicy is the inverse of Encode. A policy without UID or adapter name
// is an error.
func DecodePolicy(text string) (Policy, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Policy{}, fmt.Errorf("decoding policy: %w", err)
	}
	var p Policy
	if err := json.Unmarshal(raw, &p); err != nil {
		return Policy{}, fmt.Errorf("decoding policy: %w", err)
	}
	if p.UID == "" || p.Adapter == "" {
		return Policy{}, fmt.Errorf("decoding policy: no adapter named")
	}
	return p, nil
}
