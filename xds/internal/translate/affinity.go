package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// hashed reports whether requests are spread over replicas by a hash.
func hashed(a adapters.Affinity) bool { return a == adapters.AffinityPrincipal || a.Header() != "" }

// hashPolicy is by which header requests find their replica. The external
// processor says who the principal is; other headers are the client's.
func hashPolicy(a adapters.Affinity) []*routev3.RouteAction_HashPolicy {
	if !hashed(a) {
		return nil
	}
	name := launch.HeaderPrincipal
	if header := a.Header(); header != "" {
		name = header
	}
	return []*routev3.RouteAction_HashPolicy{{
		PolicySpecifier: &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: name}},
	}}
}

// hashKey is the metadata by which an endpoint takes its share of the keys: by
// its ordinal, so that a replica that is started anew keeps its keys.
func hashKey(a adapters.Adapter, ordinal int) *corev3.Metadata {
	if !hashed(a.Affinity) {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		"envoy.lb": {Fields: map[string]*structpb.Value{
			"hash_key": structpb.NewStringValue(fmt.Sprintf("%s/%d", a.ID, ordinal)),
		}},
	}}
}
