package server

import (
	"net/http"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
)

// headOf is the head of a request as decide sees it.
func headOf(h *extprocv3.HttpHeaders) decide.Head {
	method, header := split(h, ":method")
	return decide.Head{Method: method, Header: header, Bodiless: h.EndOfStream}
}

// responseOf is the head of an answer. A status that is none is 0.
func responseOf(h *extprocv3.HttpHeaders) (int, http.Header) {
	status, header := split(h, ":status")
	code, err := strconv.Atoi(status)
	if err != nil {
		code = 0
	}
	return code, header
}

// split parts the one pseudo header that is asked for from the others, which are
// left out, and from the rest. A header that was sent twice has two values.
func split(h *extprocv3.HttpHeaders, wanted string) (pseudo string, header http.Header) {
	fields := h.GetHeaders().GetHeaders()
	header = make(http.Header, len(fields))
	// Most names have one value: all those share one array.
	single := make([]string, 0, len(fields))
	for _, f := range fields {
		value := f.Value
		if len(f.RawValue) > 0 {
			value = string(f.RawValue)
		}
		if f.Key != "" && f.Key[0] == ':' {
			if f.Key == wanted {
				pseudo = value
			}
			continue
		}
		name := http.CanonicalHeaderKey(f.Key)
		if values := header[name]; len(values) > 0 {
			header[name] = append(values, value)
			continue
		}
		single = append(single, value)
		header[name] = single[len(single)-1 : len(single) : len(single)]
	}
	return pseudo, header
}

func headersResponse(d decide.Decision) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{
			Response: &extprocv3.CommonResponse{HeaderMutation: mutation(d.Set, d.Remove)},
		}},
	}
}

func responseHeadersResponse(d decide.Decision) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{
			Response: &extprocv3.CommonResponse{HeaderMutation: mutation(d.Set, d.Remove)},
		}},
	}
}

func bodyResponse() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{
			Response: &extprocv3.CommonResponse{},
		}},
	}
}

// responseBodyResponse puts text in the place of a piece of the answer's body.
func responseBodyResponse(text []byte) *extprocv3.ProcessingResponse {
	mutation := &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: text}}
	if len(text) == 0 {
		mutation.Mutation = &extprocv3.BodyMutation_ClearBody{ClearBody: true}
	}
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{
			Response: &extprocv3.CommonResponse{BodyMutation: mutation},
		}},
	}
}

func immediateResponse(d decide.Decision) *extprocv3.ProcessingResponse {
	r := d.Refusal
	set := append([]decide.Field{{Name: "content-type", Value: "application/json"}}, r.Header...)
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(r.Status)},
			Headers: mutation(set, nil),
			Body:    r.Body(),
			Details: "mooring_" + r.Reason,
		}},
	}
}

func mutation(set []decide.Field, remove []string) *extprocv3.HeaderMutation {
	m := &extprocv3.HeaderMutation{RemoveHeaders: remove, SetHeaders: make([]*corev3.HeaderValueOption, len(set))}
	options, values := make([]corev3.HeaderValueOption, len(set)), make([]corev3.HeaderValue, len(set))
	for i, f := range set {
		values[i].Key, values[i].RawValue = f.Name, []byte(f.Value)
		options[i].Header, options[i].AppendAction = &values[i], corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		m.SetHeaders[i] = &options[i]
	}
	return m
}

// dynamicMetadata is m for the access log, under the names that both sides share.
func dynamicMetadata(m decide.Metadata) *structpb.Struct {
	all := [...]decide.Field{
		{Name: contract.MetadataVerdict, Value: m.Verdict}, {Name: contract.MetadataLease, Value: m.Lease},
		{Name: contract.MetadataJudged, Value: told(m)},
	}
	fields := make(map[string]*structpb.Value, len(all))
	values, texts := make([]structpb.Value, len(all)), make([]structpb.Value_StringValue, len(all))
	for i, f := range all {
		if f.Value != "" {
			texts[i].StringValue = f.Value
			values[i].Kind = &texts[i]
			fields[f.Name] = &values[i]
		}
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		contract.MetadataNamespace: structpb.NewStructValue(&structpb.Struct{Fields: fields}),
	}}
}

// told is m as the log of all requests has it.
func told(m decide.Metadata) string {
	return contract.Judged{
		Method: m.Method, Tool: m.Tool, Listed: m.Listed, Era: string(m.Era),
		Session: m.Session, Principal: m.Principal, Who: m.Who, Verdict: m.Verdict, Trace: m.Trace, Span: m.Span,
	}.Encode()
}
