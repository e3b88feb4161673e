package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// How many places the hashes of a cluster have: primes. With Envoy's own choice,
// the first, 2,000 adapters of three replicas cost 1.9 s of its start and 37 MB;
// with the second 0.3 s and nothing that shows, but more of the keys move between
// the three where a fourth comes: 4 % have been seen.
const (
	affinityPlaces = 65537
	recoveryPlaces = 5003
)

// hashPlaces is how many places the hashes of a's cluster have. What a session
// that is brought to another replica is worth there does not hang on its place
// staying the same when replicas are added.
func hashPlaces(a adapters.Adapter) uint64 {
	if hashed(a.Affinity) {
		return affinityPlaces
	}
	return recoveryPlaces
}

// hashed reports whether requests of the modern era are spread over replicas by
// a hash.
func hashed(a adapters.Affinity) bool { return a == adapters.AffinityPrincipal || a.Header() != "" }

// hashes reports whether any requests to a find their replica by a hash.
func hashes(a adapters.Adapter) bool { return hashed(a.Affinity) || a.RecoversSessions() }

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
	return []*routev3.RouteAction_HashPolicy{hashOf(name)}
}

func hashOf(header string) *routev3.RouteAction_HashPolicy {
	return &routev3.RouteAction_HashPolicy{
		PolicySpecifier: &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: header}},
	}
}

// hashKey is the metadata by which an endpoint takes its share of the keys: by
// its ordinal, so that a replica that is started anew keeps its keys.
func hashKey(a adapters.Adapter, ordinal int) *corev3.Metadata {
	if !hashes(a) {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		"envoy.lb": {Fields: map[string]*structpb.Value{
			"hash_key": structpb.NewStringValue(fmt.Sprintf("%s/%d", a.ID, ordinal)),
		}},
	}}
}
