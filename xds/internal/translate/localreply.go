package translate

import (
	"net/http"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Codes of JSON-RPC errors.
const (
	invalidRequest = -32600
	internalError  = -32603
)

// mcpPath is the path of an endpoint, before and after the rewrite.
const mcpPath = `(/adapters/[^/?]*)?/mcp(\?.*)?`

// notAllowed matches every verdict but contract.VerdictAllow: the expressions
// have no negation.
const notAllowed = `.{0,4}|.{6,}|[^a].{4}|.[^l].{3}|.{2}[^l].{2}|.{3}[^o].|.{4}[^w]`

// localReply is what a client reads where Envoy answers by itself.
type localReply struct {
	// status is Envoy's; zero means any.
	status uint32
	// flags narrow to those of Envoy's response flags; none means any.
	flags []string
	// as is the status that the client sees; zero means Envoy's.
	as uint32
	// code is that of JSON-RPC.
	code    int
	message string
	// retry asks the client to come back after a second.
	retry bool
}

// mcpReplies are the replies on endpoints. They name no address, and nothing
// that the client did not already know.
var mcpReplies = []localReply{
	{status: 400, code: invalidRequest, message: "The HTTP request is malformed."},
	{status: 403, code: invalidRequest, message: "Protocol upgrades are not served here."},
	{status: 404, code: invalidRequest, message: "The session is unknown or has ended: initialize again."},
	{status: 405, code: invalidRequest, message: "The method is not allowed here."},
	{status: 408, code: invalidRequest, message: "The request did not arrive in time."},
	{status: 413, code: invalidRequest, message: "The request is too large."},
	{status: 421, code: invalidRequest, message: "This host is not served here."},
	{status: 431, code: invalidRequest, message: "The request's headers are too large."},
	// The external processor is away or broke off.
	{status: 500, as: 503, code: internalError, message: "The request cannot be inspected right now; try again.", retry: true},
	{status: 503, flags: []string{"UO"}, code: internalError, message: "This adapter is at its limit of open requests; try again.", retry: true},
	{status: 503, flags: []string{"UC", "UR"}, as: 502, code: internalError, message: "The call was lost with the adapter's server: it may have run, or not, and was not sent again. Call again only if that is safe."},
	{status: 503, code: internalError, message: "No replica of this adapter is ready; see its status.", retry: true},
	{status: 502, code: internalError, message: "The adapter's server gave a broken answer."},
	{status: 504, code: internalError, message: "The request took too long."},
	{code: internalError, message: "The gateway could not serve the request."},
}

// otherReplies are the replies elsewhere, as RFC 9457 has them.
var otherReplies = []localReply{
	{status: 400, message: "The HTTP request is malformed."},
	{status: 403, message: "Protocol upgrades are not served here."},
	{status: 404, message: "There is nothing at this path."},
	{status: 405, message: "The method is not allowed here."},
	{status: 408, message: "The request did not arrive in time."},
	{status: 413, message: "The request is too large."},
	{status: 421, message: "This host is not served here."},
	{status: 431, message: "The request's headers are too large."},
	{status: 503, message: "This part of the gateway does not answer right now; adapters that run are still served.", retry: true},
	{status: 504, message: "The request took too long."},
	{message: "The gateway could not serve the request."},
}

// localReplies gives Envoy's own answers the shape of those around them: the
// protocol's on endpoints, problem details elsewhere.
func localReplies() *hcmv3.LocalReplyConfig {
	config := &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{refusalAsItIs()}}
	for _, r := range mcpReplies {
		config.Mappers = append(config.Mappers, r.mapper(r.jsonRPC(), onEndpoint()))
	}
	for _, r := range otherReplies {
		if r.status == 0 {
			config.BodyFormat = r.problem()
			continue
		}
		config.Mappers = append(config.Mappers, r.mapper(r.problem()))
	}
	return config
}

func (r localReply) mapper(body *corev3.SubstitutionFormatString, filters ...*accesslogv3.AccessLogFilter) *hcmv3.ResponseMapper {
	if r.status != 0 {
		filters = append(filters, hasStatus(r.status))
	}
	if len(r.flags) > 0 {
		filters = append(filters, hasFlag(r.flags))
	}
	out := &hcmv3.ResponseMapper{Filter: all(filters), BodyFormatOverride: body}
	if r.as != 0 {
		out.StatusCode = wrapperspb.UInt32(r.as)
	}
	if r.retry {
		out.HeadersToAdd = []*corev3.HeaderValueOption{{
			Header:       &corev3.HeaderValue{Key: "retry-after", Value: "1"},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}}
	}
	return out
}

func (r localReply) jsonRPC() *corev3.SubstitutionFormatString {
	return jsonBody("application/json", map[string]any{
		"jsonrpc": "2.0", "id": nil,
		"error": map[string]any{"code": r.code, "message": r.message},
	})
}

func (r localReply) problem() *corev3.SubstitutionFormatString {
	fields := map[string]any{"type": "about:blank", "status": "%RESPONSE_CODE%", "detail": r.message}
	if title := http.StatusText(int(r.status)); title != "" {
		fields["title"] = title
	}
	return jsonBody("application/problem+json", fields)
}

func jsonBody(contentType string, fields map[string]any) *corev3.SubstitutionFormatString {
	body, err := structpb.NewStruct(fields)
	if err != nil {
		panic("translate: a local reply is not JSON: " + err.Error())
	}
	return &corev3.SubstitutionFormatString{
		Format:      &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: body},
		ContentType: contentType,
	}
}

// refusalAsItIs lets the external processor's refusals pass: to Envoy they are
// local replies like its own, and it would write their bodies anew.
func refusalAsItIs() *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_MetadataFilter{
			MetadataFilter: &accesslogv3.MetadataFilter{
				Matcher: &matcherv3.MetadataMatcher{
					Filter: contract.MetadataNamespace,
					Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: contract.MetadataVerdict}}},
					Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: matching(notAllowed)}},
				},
				MatchIfKeyNotFound: wrapperspb.Bool(false),
			},
		}},
		BodyFormatOverride: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: "%LOCAL_REPLY_BODY%"},
			}},
			ContentType: "application/json",
		},
	}
}

func onEndpoint() *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_HeaderFilter{
		HeaderFilter: &accesslogv3.HeaderFilter{Header: headerIs(":path", matching(mcpPath))},
	}}
}

func hasStatus(status uint32) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: accesslogv3.ComparisonFilter_EQ,
			// The runtime key is required, and never set.
			Value: &corev3.RuntimeUInt32{DefaultValue: status, RuntimeKey: "mooring.unused"},
		}},
	}}
}

func hasFlag(flags []string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
		ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: flags},
	}}
}

// all is the conjunction of filters; Envoy refuses one of a single filter.
func all(filters []*accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	if len(filters) == 1 {
		return filters[0]
	}
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: filters},
	}}
}
