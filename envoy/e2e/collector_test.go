package e2e

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// collector is an OTLP collector of traces.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer

	// URL is what the exporters are told.
	URL string

	mu       sync.Mutex
	spans    []span
	headers  []string // the values of x-collector-key
	peers    []string // names in the certificates of who sent
	squeezed bool     // something came compressed
}

// span is one span with what its sender is.
type span struct {
	*tracev1.Span

	part       string
	attributes map[string]string
}

// startCollector starts one that is sent spans by gRPC, without TLS.
func startCollector(t *testing.T) *collector {
	t.Helper()
	return startGRPCCollector(t, nil)
}

// startGRPCCollector starts one that is sent spans by gRPC. Nil means without TLS.
func startGRPCCollector(t *testing.T, config *tls.Config) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{URL: "http://" + listener.Addr().String()}
	var options []grpc.ServerOption
	if config != nil {
		c.URL = "https://" + listener.Addr().String()
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
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

// startHTTPCollector starts one that is sent spans by HTTP, over TLS.
func startHTTPCollector(t *testing.T, config *tls.Config) *collector {
	t.Helper()
	c := &collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /base/v1/traces", c.post)
	server := httptest.NewUnstartedServer(mux)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.URL = "https://localhost:" + port + "/base"
	return c
}

// post is Export by HTTP.
func (c *collector) post(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
		c.mu.Lock()
		c.squeezed = true
		c.mu.Unlock()
	}
	text, err := io.ReadAll(body)
	var request collectorv1.ExportTraceServiceRequest
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(text, &request) != nil {
		http.Error(w, "no request of OTLP", http.StatusBadRequest)
		return
	}
	c.take(&request, r.Header.Values("X-Collector-Key"), r.TLS)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Export implements the trace service.
func (c *collector) Export(ctx context.Context, r *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	var conn *tls.ConnectionState
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			conn = &info.State
		}
	}
	c.take(r, incoming.Get("x-collector-key"), conn)
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func (c *collector) take(r *collectorv1.ExportTraceServiceRequest, keys []string, conn *tls.ConnectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, keys...)
	if conn != nil {
		for _, certificate := range conn.PeerCertificates {
			c.peers = append(c.peers, certificate.DNSNames...)
		}
	}
	for _, resource := range r.GetResourceSpans() {
		sender := textOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{Span: s, part: sender["mooring.part"], attributes: textOf(s.GetAttributes())})
			}
		}
	}
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
	return slices.Clone(c.spans)
}

// awaitTrace waits until so many spans of the trace have come, and returns them.
func (c *collector) awaitTrace(m *harness.Mooring, trace string, spans int) []span {
	var all []span
	m.Await("the spans of trace "+trace, 15*time.Second, func() bool {
		all = slices.DeleteFunc(c.all(), func(s span) bool { return hex.EncodeToString(s.TraceId) != trace })
		return len(all) >= spans
	})
	return all
}

// parts are the parts that spans have come from.
func (c *collector) parts() []string {
	var parts []string
	for _, s := range c.all() {
		parts = append(parts, s.part)
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}
