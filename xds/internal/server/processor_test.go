package server_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// processor is an external processor that does what the request's headers say:
//
//	x-test-refuse: refuse with 401 and a body of its own
//	x-test-pin:    pin to that endpoint
//	x-test-principal: say that it is of that principal
//
// Where it is shown the response's headers, it hands the endpoint that was
// chosen and the server's session id to the client.
type processor struct {
	extprocv3.UnimplementedExternalProcessorServer

	mu       sync.Mutex
	policies []contract.Policy
	server   *grpc.Server
}

const refusal = `{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"who are you"}}`

func newProcessor(t testing.TB, socket string) *processor {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := &processor{server: grpc.NewServer(grpc.WaitForHandlers(true))}
	extprocv3.RegisterExternalProcessorServer(p.server, p)
	done := make(chan error, 1)
	go func() { done <- p.server.Serve(l) }()
	t.Cleanup(func() {
		p.server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serving the external processor: %v", err)
		}
	})
	return p
}

// last is the policy of the newest request.
func (p *processor) last() contract.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.policies) == 0 {
		return contract.Policy{}
	}
	return p.policies[len(p.policies)-1]
}

func (p *processor) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	values := md.Get(contract.PolicyMetadataKey)
	if len(values) != 1 {
		return status.Error(codes.PermissionDenied, "no policy")
	}
	policy, err := contract.DecodePolicy(values[0])
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	p.mu.Lock()
	p.policies = append(p.policies, policy)
	p.mu.Unlock()
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
			return nil
		}
		if err != nil {
			return err
		}
		if response := answerTo(request); response != nil {
			if err := stream.Send(response); err != nil {
				return err
			}
		}
	}
}

func answerTo(request *extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
	switch r := request.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		if header(r.RequestHeaders, "x-test-refuse") != "" {
			return refuse()
		}
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
			RequestHeaders: set("x-mooring-endpoint", header(r.RequestHeaders, "x-test-pin"),
				"x-mooring-principal", header(r.RequestHeaders, "x-test-principal")),
		}}
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
			ResponseHeaders: set("x-test-endpoint", header(r.ResponseHeaders, "x-mooring-endpoint"),
				"x-test-session", header(r.ResponseHeaders, contract.HeaderUpstreamSession)),
		}}
	case *extprocv3.ProcessingRequest_RequestBody:
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{
			RequestBody: &extprocv3.BodyResponse{},
		}}
	default:
		return nil
	}
}

// set sets headers, pairs of name and value, but for those without a value.
func set(pairs ...string) *extprocv3.HeadersResponse {
	mutation := &extprocv3.HeaderMutation{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		mutation.SetHeaders = append(mutation.SetHeaders, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: pairs[i], RawValue: []byte(pairs[i+1])},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{HeaderMutation: mutation}}
}

func refuse() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_Unauthorized},
			Body:   []byte(refusal),
			Headers: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{
				{Header: &corev3.HeaderValue{Key: "content-type", RawValue: []byte("application/json")}},
				{Header: &corev3.HeaderValue{Key: "www-authenticate", RawValue: []byte("Bearer")}},
			}},
		}},
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			contract.MetadataNamespace: structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"verdict": structpb.NewStringValue("refused"),
			}}),
		}},
	}
}

func header(h *extprocv3.HttpHeaders, name string) string {
	for _, v := range h.GetHeaders().GetHeaders() {
		if v.GetKey() == name {
			return string(v.GetRawValue())
		}
	}
	return ""
}
