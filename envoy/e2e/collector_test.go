package e2e

import (
	"context"
	"net"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// collector is an OTLP collector of traces, by gRPC.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer

	// URL is what the exporters are told.
	URL string

	mu      sync.Mutex
	spans   []span
	headers []string // the values of x-collector-key
}

// span is one span with what its sender is.
type span struct {
	*tracev1.Span

	part       string
	attributes map[string]string
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{URL: "http://" + listener.Addr().String()}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, c)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// Export implements the trace service.
func (c *collector) Export(ctx context.Context, r *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	incoming, _ := metadata.FromIncomingContext(ctx)
	c.headers = append(c.headers, incoming.Get("x-collector-key")...)
	for _, resource := range r.GetResourceSpans() {
		sender := textOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{Span: s, part: sender["mooring.part"], attributes: textOf(s.GetAttributes())})
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func textOf(all []*commonv1.KeyValue) map[string]string {
	text := map[string]string{}
	for _, a := range all {
		text[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return text
}

// all are the spans that have come.
func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]span(nil), c.spans...)
}
