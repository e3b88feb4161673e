package translate

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	accessloggrpcv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// openInterval is how often a request that is counted while it is open is told
// of: well within the time that it counts without that.
const openInterval = time.Minute

// loggedRequests is how much of its log Envoy collects before it sends it, in
// bytes; what is less is sent after a second.
const loggedRequests = 32 << 10

// openRequests tells the external processor of requests that it counts as long
// as they are open, at once: others are not logged.
func openRequests() *accesslogv3.AccessLog {
	log := accessLog(contract.LogOpen, 0)
	log.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_MetadataFilter{
		MetadataFilter: &accesslogv3.MetadataFilter{
			Matcher: &matcherv3.MetadataMatcher{
				Filter: contract.MetadataNamespace,
				Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: contract.MetadataLease}}},
				Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}},
			},
			MatchIfKeyNotFound: wrapperspb.Bool(false),
		},
	}}
	return log
}

// allRequests tells the external processor of every request, those that never
// came to it included, for its metrics.
func allRequests() *accesslogv3.AccessLog { return accessLog(contract.LogRequests, loggedRequests) }

// accessLog sends its entries to the external processor. Nothing waits for it.
func accessLog(name string, buffer uint32) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: name,
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&accessloggrpcv3.HttpGrpcAccessLogConfig{
			CommonConfig: &accessloggrpcv3.CommonGrpcAccessLogConfig{
				LogName:             name,
				TransportApiVersion: corev3.ApiVersion_V3,
				GrpcService:         grpcService(contract.ClusterExtProcLog),
				BufferSizeBytes:     wrapperspb.UInt32(buffer),
			},
			AdditionalRequestHeadersToLog: []string{contract.HeaderTrace},
		})},
	}
}
