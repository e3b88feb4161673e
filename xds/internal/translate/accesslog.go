package translate

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	accessloggrpcv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	opentelemetryv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/open_telemetry/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// openInterval is how often a request that is counted while it is open is told
// of: well within the time that it counts without that.
const openInterval = time.Minute

const (
	// exportTimeout is how long Envoy tries to send what it has collected: longer
	// than a restart of the external processor takes. It is the time of a single
	// try too, since one goes on where the processor's socket waits for the next.
	exportTimeout = time.Minute
	// exportRetries are those within that time, after exportRetryAfter and then
	// longer and longer.
	exportRetries    = 12
	exportRetryAfter = 250 * time.Millisecond
	// exportRetryOn are failures before anything has reached the processor, so that
	// no request counts twice.
	exportRetryOn = "connect-failure,refused-stream,reset-before-request"
)

// openRequests tells the external processor of requests that it counts as long
// as they are open, at once: others are not logged. Nothing waits for it.
func openRequests() *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: contract.LogOpen,
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_MetadataFilter{
			MetadataFilter: &accesslogv3.MetadataFilter{
				Matcher: &matcherv3.MetadataMatcher{
					Filter: contract.MetadataNamespace,
					Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: contract.MetadataLease}}},
					Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}},
				},
				MatchIfKeyNotFound: wrapperspb.Bool(false),
			},
		}},
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&accessloggrpcv3.HttpGrpcAccessLogConfig{
			CommonConfig: &accessloggrpcv3.CommonGrpcAccessLogConfig{
				LogName:             contract.LogOpen,
				TransportApiVersion: corev3.ApiVersion_V3,
				GrpcService:         grpcService(contract.ClusterExtProcLog),
				BufferSizeBytes:     wrapperspb.UInt32(0),
			},
		})},
	}
}

// allRequests tells the external processor of every request, those that never
// came to it included, for its metrics and the audit. Nothing waits for it.
// Envoy's own protocol would carry all that is known of a request, the claims of
// its tokens among it, which costs several times as much as these fields in one
// text. Envoy sends what it has collected when that is 16 KiB, or after a second.
// Where told is a key of Envoy's runtime, that can turn it off.
func allRequests(told string) *accesslogv3.AccessLog {
	to := grpcService(contract.ClusterExtProcLog)
	to.Timeout = durationpb.New(exportTimeout)
	to.RetryPolicy = &corev3.RetryPolicy{
		RetryOn: exportRetryOn, NumRetries: wrapperspb.UInt32(exportRetries),
		RetryBackOff: &corev3.BackoffStrategy{
			BaseInterval: durationpb.New(exportRetryAfter),
			// Envoy takes it for the time of a try.
			MaxInterval: durationpb.New(exportTimeout),
		},
	}
	l := &accesslogv3.AccessLog{
		Name: contract.LogRequests,
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&opentelemetryv3.OpenTelemetryAccessLogConfig{
			LogName:              contract.LogRequests,
			GrpcService:          to,
			DisableBuiltinLabels: true,
			Body:                 &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: contract.LogLine()}},
		})},
	}
	if told != "" {
		l.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_RuntimeFilter{
			RuntimeFilter: &accesslogv3.RuntimeFilter{RuntimeKey: told, PercentSampled: &typev3.FractionalPercent{Numerator: 100}},
		}}
	}
	return l
}
