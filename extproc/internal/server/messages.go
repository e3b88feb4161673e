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
	pseudo, header := split(h)
	return decide.Head{Method: pseudo[":method"], Header: header, Bodiless: h.EndOfStream}
}

// responseOf is the head of an answer. A status that is none is 0.
func responseOf(h *extprocv3.HttpHeaders) (int, http.Header) {
	pseudo, header := split(h)
	code, err := strconv.Atoi(pseudo[":status"])
	if err != nil {
		code = 0
	}
	return code, header
}

// split parts pseudo headers from the others. A header that was sent twice has
// two values.
func split(h *extprocv3.HttpHeaders) (pseudo map[string]string, header http.Header) {
	fields := h.GetHeaders().GetHeaders()
	pseudo, header = make(map[string]string, 4), make(http.Header, len(fields))
	for _, f := range fields {
		value := f.Value
		if len(f.RawValue) > 0 {
			value = string(f.RawValue)
		}
		if f.Key != "" && f.Key[0] == ':' {
			pseudo[f.Key] = value
			continue
		}
		name := http.CanonicalHeaderKey(f.Key)
		header[name] = append(header[name], value)
	}
	return pseudo, header
}

func headersResponse(d decide.Decision) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{
			Response: &extprocv3.CommonResponse{HeaderMutation: mutation(d.Set, d.Remove)},
		}},
		DynamicMetadata: dynamicMetadata(d.Metadata),
	}
}

func responseHeadersResponse(d decide.Decision) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{
			Response: &extprocv3.CommonResponse{HeaderMutation: mutation(d.Set, d.Remove)},
		}},
		DynamicMetadata: dynamicMetadata(d.Metadata),
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
		DynamicMetadata: dynamicMetadata(d.Metadata),
	}
}

func mutation(set []decide.Field, remove []string) *extprocv3.HeaderMutation {
	m := &extprocv3.HeaderMutation{RemoveHeaders: remove, SetHeaders: make([]*corev3.HeaderValueOption, 0, len(set))}
	for _, f := range set {
		m.SetHeaders = append(m.SetHeaders, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: f.Name, RawValue: []byte(f.Value)},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return m
}

// dynamicMetadata is m for the access log, under the name that both sides share.
func dynamicMetadata(m decide.Metadata) *structpb.Struct {
	fields := make(map[string]*structpb.Value, 8)
	for _, f := range []decide.Field{
		{Name: contract.MetadataAdapter, Value: m.Adapter}, {Name: contract.MetadataMethod, Value: m.Method},
		{Name: contract.MetadataTool, Value: m.Tool}, {Name: contract.MetadataEra, Value: string(m.Era)},
		{Name: contract.MetadataPrincipal, Value: m.Principal}, {Name: contract.MetadataSession, Value: m.Session},
		{Name: contract.MetadataVerdict, Value: m.Verdict}, {Name: contract.MetadataLease, Value: m.Lease},
	} {
		if f.Value != "" {
			fields[f.Name] = structpb.NewStringValue(f.Value)
		}
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		contract.MetadataNamespace: structpb.NewStructValue(&structpb.Struct{Fields: fields}),
	}}
}
