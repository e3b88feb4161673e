package server

import (
	"io"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// TestSpansOfRequests: where a request is recorded, the log and the server are told
// of its span, but of Envoy's own the log is not; and no server records what is not
// recorded here.
func TestSpansOfRequests(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	const client, unsampled = "00-" + trace + "-b7ad6b7169203331-01", "00-" + trace + "-b7ad6b7169203331-00"
	clients, nobodys := "parentbased_always_off", "always_off"
	for name, tt := range map[string]struct {
		sampler, sent, envoys string
		chosen                bool
		recorded              bool
		// passed is what is passed on: "new" is a span of its own, and nothing says
		// that the header is left as it is.
		passed string
	}{
		"the client's choice":         {clients, client, "", false, true, "new"},
		"the client's no":             {clients, unsampled, "", false, false, ""},
		"nobody asks":                 {clients, "", "", false, false, ""},
		"the route's choice":          {clients, "", "", true, true, "new"},
		"not for the client to say":   {nobodys, client, "", false, false, unsampled},
		"Envoy makes a span itself":   {clients, client, client, false, false, ""},
		"what is no trace is nothing": {clients, "00-x-y-01", "", false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := newServer(t, authn.Development{})
			s.Tracer = tracer(t, tt.sampler)
			first := head(false)
			if tt.sent != "" {
				headers := first.GetRequestHeaders().GetHeaders()
				headers.Headers = append(headers.Headers, fields("traceparent", tt.sent, "tracestate", "vendor=1").Headers...)
			}
			policy := contract.Policy{Adapter: "a", UID: "uida", Route: contract.RouteBirth, Traced: tt.chosen}
			st := &stream{policy: []string{policy.Encode()}, traceparent: tt.envoys, in: []*extprocv3.ProcessingRequest{first, piece(initialize, true)}, end: io.EOF}
			if err := s.Process(st); err != nil {
				t.Fatal(err)
			}
			metadata := st.out[0].GetDynamicMetadata().GetFields()[contract.MetadataNamespace].GetStructValue().GetFields()
			told, _ := contract.DecodeJudged(metadata[contract.MetadataJudged].GetStringValue())
			recorded := tracing.DecodeRequest(told.Span)
			if recorded.IsRecorded() != tt.recorded {
				t.Errorf("the log is told %q", told.Span)
			}
			passed := ""
			for _, set := range st.out[0].GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders() {
				if set.GetHeader().GetKey() == "traceparent" {
					passed = string(set.GetHeader().GetRawValue())
				}
			}
			if want, _ := tracing.Carrier(recorded.Span); tt.passed == "new" && passed != want || tt.passed != "new" && passed != tt.passed {
				t.Errorf("passed on: %q; recorded: %q", passed, want)
			}
			if tt.sent == client && tt.recorded && recorded.Span.TraceState().String() != "vendor=1" {
				t.Errorf("the state of the trace is %q", recorded.Span.TraceState())
			}
		})
	}
}

// tracer makes spans that are sent nowhere.
func tracer(t *testing.T, sampler string) *tracing.Tracer {
	t.Helper()
	settings, err := otlp.Read(func(name string) string {
		return map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": sampler}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := tracing.Open(settings, tracing.Part{Name: "extproc", Behind: true}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}
