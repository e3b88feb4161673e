package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream plays Envoy: it sends what it was given, then ends.
type stream struct {
	grpc.ServerStream
	policy []string
	// traceparent is of Envoy's span.
	traceparent string
	in          []*extprocv3.ProcessingRequest
	end         error
	out         []*extprocv3.ProcessingResponse
}

func (s *stream) Context() context.Context {
	md := metadata.MD{}
	md.Append(contract.PolicyMetadataKey, s.policy...)
	if s.traceparent != "" {
		md.Set(tracing.Traceparent, s.traceparent)
	}
	return metadata.NewIncomingContext(context.Background(), md)
}

func (s *stream) Recv() (*extprocv3.ProcessingRequest, error) {
	if len(s.in) == 0 {
		return nil, s.end
	}
	next := s.in[0]
	s.in = s.in[1:]
	return next, nil
}

func (s *stream) Send(r *extprocv3.ProcessingResponse) error {
	s.out = append(s.out, r)
	return nil
}

type panicking struct{}

func (panicking) Authenticate(context.Context, http.Header) (adapters.Principal, error) {
	panic("secret")
}

// pauses is far above what a test takes.
const pauses = time.Minute

func newServer(tb testing.TB, authenticator authn.Authenticator) (*Server, *prometheus.Registry, *bytes.Buffer) {
	tb.Helper()
	dir := tb.TempDir()
	if _, err := keys.Generate(dir); err != nil {
		tb.Fatal(err)
	}
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	ring, err := keys.Open(keys.Session, dir, logger)
	if err != nil {
		tb.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	judge := &decide.Judge{Authenticator: authenticator, Sessions: session.NewCodec(ring, time.Hour, time.Now), MaxBody: 1000}
	return New(judge, inspect.New(inspect.Limits{Bytes: 1000}), pauses, reg, logger), reg, log
}

var birth = contract.Policy{Adapter: "a", UID: "uida", Route: contract.RouteBirth}.Encode()

func fields(pairs ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for i := 0; i < len(pairs); i += 2 {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: pairs[i], RawValue: []byte(pairs[i+1])})
	}
	return m
}

func head(ended bool, pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
			Headers: fields(append([]string{":method", "POST", "content-type", "application/json"}, pairs...)...), EndOfStream: ended,
		}},
		ProtocolConfig: &extprocv3.ProtocolConfiguration{
			RequestBodyMode:                         extprocfilterv3.ProcessingMode_STREAMED,
			SendBodyWithoutWaitingForHeaderResponse: true,
		},
	}
}

func piece(text string, ended bool) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{
		RequestBody: &extprocv3.HttpBody{Body: []byte(text), EndOfStream: ended},
	}}
}

func trailers() *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestTrailers{RequestTrailers: &extprocv3.HttpTrailers{}}}
}

func answerHead(pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{
		ResponseHeaders: &extprocv3.HttpHeaders{Headers: fields(pairs...)},
	}}
}

// kinds says what was answered: h for the head, b for a piece of the body, r for
// the head of the answer, and the status of a refusal.
func kinds(out []*extprocv3.ProcessingResponse) string {
	var b strings.Builder
	for _, r := range out {
		switch {
		case r.GetRequestHeaders() != nil:
			b.WriteString("h")
		case r.GetRequestBody() != nil:
			b.WriteString("b")
		case r.GetResponseHeaders() != nil:
			b.WriteString("r")
		case r.GetImmediateResponse() != nil:
			b.WriteString(r.GetImmediateResponse().Status.Code.String())
		}
	}
	return b.String()
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize"}`

func TestSequences(t *testing.T) {
	buffered := head(false)
	buffered.ProtocolConfig.RequestBodyMode = extprocfilterv3.ProcessingMode_BUFFERED
	waiting := head(false)
	waiting.ProtocolConfig.SendBodyWithoutWaitingForHeaderResponse = false
	sessionPolicy := contract.Policy{Adapter: "a", UID: "uida", Route: contract.RouteSession}.Encode()
	list := strings.Replace(initialize, "initialize", "tools/list", 1)
	for name, c := range map[string]struct {
		policy []string
		in     []*extprocv3.ProcessingRequest
		want   string
	}{
		"birth":                     {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece(initialize[:9], false), piece(initialize[9:], false), piece("", true), answerHead(":status", "200")}, "hbbbr"},
		"one round trip":            {[]string{sessionPolicy}, []*extprocv3.ProcessingRequest{head(false), piece(list, true), answerHead(":status", "200")}, "h"},
		"bodiless POST":             {[]string{birth}, []*extprocv3.ProcessingRequest{head(true)}, "BadRequest"},
		"refused by its head":       {[]string{birth}, []*extprocv3.ProcessingRequest{head(false, "content-type", "x"), piece("", true)}, "UnsupportedMediaType"},
		"refused in the middle":     {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece("{,", false), piece("x", true)}, "BadRequest"},
		"too large":                 {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece(`{"a":"`, false), piece(strings.Repeat("x", 1000), false)}, "PayloadTooLarge"},
		"trailers":                  {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece(initialize, false), trailers()}, "BadRequest"},
		"no policy":                 {nil, []*extprocv3.ProcessingRequest{head(false)}, "ServiceUnavailable"},
		"two policies":              {[]string{birth, birth}, []*extprocv3.ProcessingRequest{head(false)}, "ServiceUnavailable"},
		"broken policy":             {[]string{"%"}, []*extprocv3.ProcessingRequest{head(false)}, "ServiceUnavailable"},
		"policy of nothing":         {[]string{"e30"}, []*extprocv3.ProcessingRequest{head(false)}, "ServiceUnavailable"},
		"body is buffered":          {[]string{birth}, []*extprocv3.ProcessingRequest{buffered}, "ServiceUnavailable"},
		"body waits":                {[]string{birth}, []*extprocv3.ProcessingRequest{waiting}, "ServiceUnavailable"},
		"body first":                {[]string{birth}, []*extprocv3.ProcessingRequest{piece(initialize, true)}, "ServiceUnavailable"},
		"answer before the end":     {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), answerHead(":status", "200")}, "ServiceUnavailable"},
		"Envoy gives up":            {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece("{", false), answerHead(":status", "408")}, "RequestTimeout"},
		"Envoy finds it broken":     {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), answerHead(":status", "400")}, "BadRequest"},
		"no answer":                 {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece(initialize, true), trailers()}, "hbServiceUnavailable"},
		"Envoy's own answer":        {[]string{birth}, []*extprocv3.ProcessingRequest{answerHead(":status", "400")}, ""},
		"Envoy goes away":           {[]string{birth}, nil, ""},
		"goes away in the body":     {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece("{", false)}, ""},
		"goes away in the response": {[]string{birth}, []*extprocv3.ProcessingRequest{head(false), piece(initialize, true)}, "hb"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, end := range []error{io.EOF, status.Error(codes.Canceled, "gone")} {
				s, _, _ := newServer(t, authn.Development{})
				st := &stream{policy: c.policy, in: append([]*extprocv3.ProcessingRequest(nil), c.in...), end: end}
				if err := s.Process(st); err != nil {
					t.Fatal(err)
				}
				if got := kinds(st.out); got != c.want {
					t.Errorf("answers %q, want %q", got, c.want)
				}
				for _, r := range st.out {
					verdict := r.GetDynamicMetadata().GetFields()[contract.MetadataNamespace].GetStructValue().GetFields()[contract.MetadataVerdict].GetStringValue()
					if r.GetImmediateResponse() != nil && (verdict == "" || verdict == contract.VerdictAllow) {
						t.Errorf("a refusal with the verdict %q", verdict)
					}
				}
			}
		})
	}
}

// TestTheLogKeepsWhatItWasTold: of what comes later Envoy keeps one text whole, so
// that must have what was told before.
func TestTheLogKeepsWhatItWasTold(t *testing.T) {
	s, _, _ := newServer(t, authn.Development{})
	st := &stream{policy: []string{birth}, in: []*extprocv3.ProcessingRequest{head(false), piece(initialize, true), trailers()}, end: io.EOF}
	if err := s.Process(st); err != nil || kinds(st.out) != "hbServiceUnavailable" {
		t.Fatalf("answers %q, error %v", kinds(st.out), err)
	}
	fields := st.out[2].GetDynamicMetadata().GetFields()[contract.MetadataNamespace].GetStructValue().GetFields()
	told, ok := contract.DecodeJudged(fields[contract.MetadataJudged].GetStringValue())
	if !ok || told.Method != "initialize" || told.Era != "legacy" || told.Who == "" || told.Principal == "" || told.Verdict != "response_message" {
		t.Errorf("%+v, %v", told, ok)
	}
}

func TestPanicIsContained(t *testing.T) {
	s, reg, log := newServer(t, panicking{})
	st := &stream{policy: []string{birth}, in: []*extprocv3.ProcessingRequest{head(false), piece(initialize, true)}, end: io.EOF}
	if err := s.Process(st); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") || len(st.out) != 0 {
		t.Errorf("error %v, answers %q", err, kinds(st.out))
	}
	if !strings.Contains(log.String(), "panic") {
		t.Errorf("log: %s", log)
	}
	if n, err := testutil.GatherAndCount(reg, "mooring_denials_total"); err != nil || n != 1 {
		t.Errorf("%d denials counted, error %v", n, err)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	s, reg, _ := newServer(t, authn.Development{})
	s.metrics.session("a", decide.EventCreated)
	s.metrics.failed("x")
	s.metrics.refused("", &decide.Refusal{Unauthenticated: true, Reason: "x"})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) != 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

// FuzzProcess holds that whatever Envoy says, in whatever order, the processor
// answers in a way that ends: at most one refusal, which is the last word, and
// the head's answer before all others.
func FuzzProcess(f *testing.F) {
	for _, seed := range []string{"hpe", "hea", "t", "hpta", "hbba", "a", "", "hh", "x"} {
		f.Add(seed, initialize)
	}
	s, _, _ := newServer(f, authn.Development{})
	s.log = slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, script, body string) {
		st := &stream{policy: []string{birth}, end: io.EOF}
		for _, c := range script {
			st.in = append(st.in, map[rune]*extprocv3.ProcessingRequest{
				'h': head(false), 'e': piece(body, true), 'p': piece(body[:len(body)/2], false), 'b': piece("", false),
				't': trailers(), 'a': answerHead(":status", "200", "mcp-session-id", body, "x-mooring-endpoint", "ZXA="), 'x': {},
			}[c])
		}
		if err := s.Process(st); err != nil {
			t.Fatal(err)
		}
		for i, r := range st.out {
			if r.GetImmediateResponse() != nil && i != len(st.out)-1 {
				t.Errorf("answers go on after a refusal: %q", kinds(st.out))
			}
			if r.GetRequestHeaders() != nil && i != 0 {
				t.Errorf("the head's answer is not the first: %q", kinds(st.out))
			}
		}
	})
}
