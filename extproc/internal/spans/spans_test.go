package spans

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	client   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unwanted = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// collector keeps the spans that it is sent.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*tracev1.Span
}

func (c *collector) Export(_ context.Context, r *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// told are the spans that are made of entries by a tracer with that sampler.
func told(t *testing.T, sampler string, entries func(*tracing.Tracer) []*accesslog.Entry) []*tracev1.Span {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := new(collector)
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	settings, err := otlp.Read(func(name string) string {
		return map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": sampler,
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := tracing.Open(settings, tracing.Part{Name: "extproc", Behind: true}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	spans := New(tracer)
	for _, entry := range entries(tracer) {
		spans.Take(entry)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	// What is left at the end is sent.
	if err := tracer.Run(ended); err != nil {
		t.Error(err)
	}
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	return c.spans
}

// TestASpan: it has the ids that were given away, the times that Envoy saw, and
// tells what is known.
func TestASpan(t *testing.T) {
	start := time.UnixMilli(1_767_323_045_006)
	var chosen tracing.Request
	got := told(t, "parentbased_always_off", func(tracer *tracing.Tracer) []*accesslog.Entry {
		chosen = tracer.Choose(tracing.Context(client, "vendor=1"), false)
		return []*accesslog.Entry{{
			ID: "r1", Start: start, Took: 1500 * time.Microsecond, Lasted: time.Second, Source: "192.0.2.1", Method: "POST", Path: "/mcp", Route: "a/session",
			Upstream: "/run/a.sock", Status: 504, Details: "response_timeout", Flags: "UT", ReceivedBody: 20, SentBody: 4,
			Recorded: chosen, Trace: chosen.Span.TraceID(), Span: chosen.Span.SpanID(),
			Judged: contract.Judged{
				Method: "tools/call", Tool: "echo", Listed: contract.ListedYes, Era: "legacy", Session: "s", Principal: "p", Who: "i|ann",
				Verdict: contract.VerdictAllow, Trace: "t",
			},
		}}
	})
	if len(got) != 1 {
		t.Fatalf("%d spans", len(got))
	}
	span, id, trace := got[0], chosen.Span.SpanID(), chosen.Span.TraceID()
	parent := chosen.Parent.SpanID()
	if !slices.Equal(span.SpanId, id[:]) || !slices.Equal(span.TraceId, trace[:]) || !slices.Equal(span.ParentSpanId, parent[:]) || span.TraceState != "vendor=1" {
		t.Errorf("%v is not %v", span, chosen)
	}
	if span.Name != "POST tools/call echo" || span.Kind != tracev1.Span_SPAN_KIND_SERVER || span.GetStatus().GetCode() != tracev1.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", span)
	}
	if span.StartTimeUnixNano != uint64(start.UnixNano()) || span.EndTimeUnixNano-span.StartTimeUnixNano != 1_500_000 {
		t.Errorf("from %d to %d", span.StartTimeUnixNano, span.EndTimeUnixNano)
	}
	want := map[string]any{
		"http.request.method": "POST", "url.path": "/mcp", "http.route": "a/session", "client.address": "192.0.2.1", "mooring.upstream": "/run/a.sock",
		"mooring.request.id": "r1", "mooring.envoy.response_flags": "UT", "mooring.envoy.response_details": "response_timeout",
		"mooring.verdict": "allow", "mooring.message.trace_id": "t", "http.request.body.size": int64(20), "http.response.body.size": int64(4),
		"http.response.status_code": int64(504), "error.type": "504", "mcp.method.name": "tools/call", "gen_ai.tool.name": "echo",
		"gen_ai.operation.name": "execute_tool", "mooring.adapter": "a", "mooring.era": "legacy", "mcp.session.id": "s", "mooring.principal.hash": "p",
	}
	if diff := cmp.Diff(want, attributes(span.GetAttributes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func attributes(all []*commonv1.KeyValue) map[string]any {
	out := map[string]any{}
	for _, a := range all {
		if _, is := a.GetValue().GetValue().(*commonv1.AnyValue_IntValue); is {
			out[a.GetKey()] = a.GetValue().GetIntValue()
			continue
		}
		out[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return out
}

// TestWhichRequestsHaveSpans: those that were chosen when they were judged, and of
// those that nobody judged the ones that their client or the sampler chooses.
func TestWhichRequestsHaveSpans(t *testing.T) {
	judged := contract.Judged{Method: "tools/list", Verdict: contract.VerdictAllow}
	for name, tt := range map[string]struct {
		sampler string
		entry   accesslog.Entry
		want    string
	}{
		"judged, and not chosen":           {"always_on", accesslog.Entry{Method: "POST", Route: "a/session", Judged: judged, Traceparent: client}, ""},
		"Envoy let it pass":                {"always_on", accesslog.Entry{Method: "POST", Route: "a/fast", Upstream: "u", Traceparent: unwanted}, ""},
		"never judged":                     {"parentbased_always_on", accesslog.Entry{Method: "GET", Route: "api"}, "GET api"},
		"never judged, the client's":       {"parentbased_always_off", accesslog.Entry{Method: "GET", Route: "api", Traceparent: client}, "GET api"},
		"never judged, the client says no": {"parentbased_always_on", accesslog.Entry{Method: "GET", Traceparent: unwanted}, ""},
		"never judged, nobody's":           {"always_off", accesslog.Entry{Method: "GET", Traceparent: client}, ""},
		"no route, and no method":          {"always_on", accesslog.Entry{Method: accesslog.MethodUnknown, Written: "sesame"}, "HTTP unrouted"},
		"Envoy made one":                   {"always_on", accesslog.Entry{Method: "GET", Trace: accesslog.TraceID{1}, Span: accesslog.SpanID{1}}, ""},
		"it has not ended":                 {"always_on", accesslog.Entry{Method: "GET", Open: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, span := range told(t, tt.sampler, func(*tracing.Tracer) []*accesslog.Entry { return []*accesslog.Entry{&tt.entry} }) {
				got += span.GetName()
			}
			if got != tt.want {
				t.Errorf("%q, not %q", got, tt.want)
			}
		})
	}
}

// TestOff: where traces are off, nothing is made.
func TestOff(t *testing.T) {
	spans, entry := New(nil), &accesslog.Entry{Method: "GET", Traceparent: client}
	if allocations := testing.AllocsPerRun(100, func() { spans.Take(entry) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
