package accesslog_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logsservicev1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// line is one of the log, of which only these fields are known.
func line(known map[contract.LogField]string) string {
	var fields [contract.LogFieldCount]string
	for i := range fields {
		fields[i] = contract.LogAbsent
		if text, is := known[contract.LogField(i)]; is {
			fields[i] = text
		}
	}
	return strings.Join(fields[:], contract.LogSeparator)
}

const start = 1767323045_000000001

// The ids of Envoy's span.
var (
	trace = accesslog.TraceID{1, 15: 2}
	span  = accesslog.SpanID{3, 7: 4}
)

// export is a message with these lines, as Envoy builds it.
func export(lines ...string) []byte { return exportIn(trace[:], span[:], lines...) }

// exportIn is one of requests in that trace and span of Envoy's, if there is one.
func exportIn(trace, span []byte, lines ...string) []byte {
	records := make([]*logsv1.LogRecord, len(lines))
	for i, text := range lines {
		// What is no UTF-8 could not be encoded.
		hole := strings.Repeat("#", len(text))
		records[i] = &logsv1.LogRecord{
			TimeUnixNano: start, TraceId: trace, SpanId: span,
			Body: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: hole}},
		}
	}
	message, err := proto.MarshalOptions{Deterministic: true}.Marshal(&logsservicev1.ExportLogsServiceRequest{
		ResourceLogs: []*logsv1.ResourceLogs{{ScopeLogs: []*logsv1.ScopeLogs{{LogRecords: records}}}},
	})
	if err != nil {
		panic(err)
	}
	text := string(message)
	for _, line := range lines {
		text = strings.Replace(text, strings.Repeat("#", len(line)), line, 1)
	}
	return []byte(text)
}

// bytesCodec sends what it is given as it is.
type bytesCodec struct{}

func (bytesCodec) Name() string                  { return "proto" }
func (bytesCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	return proto.Unmarshal(data, v.(proto.Message))
}

var _ encoding.Codec = bytesCodec{}

// exporter sends exports to a Server by gRPC.
type exporter struct {
	t        *testing.T
	requests *requests
	conn     *grpc.ClientConn
}

func newExporter(t *testing.T) *exporter {
	t.Helper()
	e := &exporter{t: t, requests: &requests{}}
	listener := bufconn.Listen(1 << 20)
	s := grpc.NewServer()
	accesslog.New(&leases{}, e.requests, nil).Register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	var err error
	e.conn, err = grpc.NewClient("passthrough:envoy", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.conn.Close() })
	return e
}

// send returns how many lines were rejected.
func (e *exporter) send(message []byte) (rejected int64, err error) {
	answer := new(logsservicev1.ExportLogsServiceResponse)
	err = e.conn.Invoke(e.t.Context(), logsservicev1.LogsService_Export_FullMethodName, message, answer)
	return answer.GetPartialSuccess().GetRejectedLogRecords(), err
}

// TestAllOfALine: each field goes where it belongs.
func TestAllOfALine(t *testing.T) {
	judged := contract.Judged{Method: "tools/call", Tool: "a\x1fb", Verdict: contract.VerdictAllow, Who: "i|ann"}
	known := map[contract.LogField]string{
		contract.LogKind: "DownstreamEnd", contract.LogID: "r1", contract.LogRoute: "a/session", contract.LogMethod: "POST",
		contract.LogPath: "/mcp", contract.LogTraceparent: "00-t", contract.LogStatus: "200", contract.LogFlags: "DC,UF",
		contract.LogDetails: "via_upstream", contract.LogDuration: "1500", contract.LogOpenFor: "9",
		contract.LogRequestHead: "10", contract.LogRequestBody: "20", contract.LogResponseHead: "3", contract.LogResponseBody: "4",
		contract.LogSource: "192.0.2.1", contract.LogUpstream: "/run/a.sock", contract.LogJudged: judged.Encode(),
		contract.LogTokenSession: "h", contract.LogTokenPrincipal: "p", contract.LogTokenIssuer: "i", contract.LogTokenSubject: "ann",
	}
	if len(known) != int(contract.LogFieldCount) {
		t.Fatalf("%d of %d fields are tried", len(known), contract.LogFieldCount)
	}
	whole := accesslog.Entry{
		ID: "r1", Start: time.Unix(0, start).UTC(), Took: 1500, Lasted: 9 * time.Millisecond, Source: "192.0.2.1", Method: "POST", Written: "POST",
		Path: "/mcp", Traceparent: "00-t", Route: "a/session", Upstream: "/run/a.sock", Status: 200, Details: "via_upstream", Flags: "DC,UF",
		Received: 30, Sent: 7, ReceivedBody: 20, SentBody: 4, Judged: judged, Trace: trace, Span: span,
		Token: accesslog.Token{Session: "h", Principal: "p", Issuer: "i", Subject: "ann"},
	}
	e := newExporter(t)
	if rejected, err := e.send(export(line(known))); rejected != 0 || err != nil {
		t.Fatalf("%d rejected, error %v", rejected, err)
	}
	if diff := cmp.Diff([]accesslog.Entry{whole}, e.requests.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for field := range contract.LogFieldCount {
		// Without the field the entry is another one, but for a kind that has ended.
		e.requests.told = nil
		text := known[field]
		delete(known, field)
		if _, err := e.send(export(line(known))); err != nil || len(e.requests.told) != 1 {
			t.Fatalf("field %d: %v, error %v", field, e.requests.told, err)
		}
		if same := cmp.Equal(whole, e.requests.told[0]); same != (field == contract.LogKind) {
			t.Errorf("without field %d the entry is %+v", field, e.requests.told[0])
		}
		known[field] = text
	}
}

// TestOddLines: none is lost with another, whatever clients wrote into it.
func TestOddLines(t *testing.T) {
	for name, tt := range map[string]struct {
		known map[contract.LogField]string
		want  accesslog.Entry
	}{
		"nothing known": {nil, accesslog.Entry{}},
		"no UTF-8": {map[contract.LogField]string{contract.LogID: "\xff", contract.LogPath: "/\xff\xfeü\xc3", contract.LogTraceparent: "00-\xff\t"},
			accesslog.Entry{ID: "!", Path: "/!!ü!", Traceparent: "00-!\t"}},
		"still open":               {map[contract.LogField]string{contract.LogKind: "DownstreamPeriodic"}, accesslog.Entry{Open: true}},
		"no byte of an answer":     {map[contract.LogField]string{contract.LogOpenFor: "7"}, accesslog.Entry{Took: 7 * time.Millisecond, Lasted: 7 * time.Millisecond}},
		"a method of nobody":       {map[contract.LogField]string{contract.LogMethod: "PROPFIND"}, accesslog.Entry{Written: "PROPFIND"}},
		"no numbers":               {map[contract.LogField]string{contract.LogStatus: "-1", contract.LogRequestHead: "x", contract.LogDuration: "1e9"}, accesslog.Entry{}},
		"numbers that are too big": {map[contract.LogField]string{contract.LogStatus: "4294967296", contract.LogOpenFor: "9223372036854775807"}, accesslog.Entry{}},
		"a Unix socket":            {map[contract.LogField]string{contract.LogSource: "/run/client"}, accesslog.Entry{}},
		"IPv6":                     {map[contract.LogField]string{contract.LogSource: "2001:db8::1"}, accesslog.Entry{Source: "2001:db8::1"}},
		"a subject without token":  {map[contract.LogField]string{contract.LogTokenSubject: "ann"}, accesslog.Entry{}},
		"a subject that is a dash": {map[contract.LogField]string{contract.LogTokenSession: "h", contract.LogTokenSubject: "-"},
			accesslog.Entry{Token: accesslog.Token{Session: "h", Subject: "-"}}},
		"a subject that is two": {map[contract.LogField]string{contract.LogTokenSession: "h", contract.LogTokenSubject: "ann\x1fbob"},
			accesslog.Entry{Token: accesslog.Token{Session: "h", Subject: "ann\x1fbob"}}},
	} {
		tt.want.Start, tt.want.Trace, tt.want.Span = time.Unix(0, start).UTC(), trace, span
		if tt.want.Method == "" {
			tt.want.Method = accesslog.MethodUnknown
		}
		e := newExporter(t)
		neighbour := line(map[contract.LogField]string{contract.LogID: "neighbour"})
		if rejected, err := e.send(export(neighbour, line(tt.known), neighbour)); rejected != 0 || err != nil || len(e.requests.told) != 3 {
			t.Errorf("%s: %d rejected, error %v, told %v", name, rejected, err, e.requests.told)
			continue
		}
		if diff := cmp.Diff(tt.want, e.requests.told[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWhatIsNoLine: Envoy is told how many, and counts them.
func TestWhatIsNoLine(t *testing.T) {
	e := newExporter(t)
	good := line(map[contract.LogField]string{contract.LogID: "good"})
	rejected, err := e.send(export(good, "", "x", line(map[contract.LogField]string{contract.LogJudged: "x"}), good))
	if rejected != 3 || err != nil || len(e.requests.told) != 2 {
		t.Errorf("%d rejected, error %v, told %v", rejected, err, e.requests.told)
	}
	for name, message := range map[string][]byte{"no message": []byte("\xff"), "a length that is too long": []byte("\x0a\x05\x12"), "a broken record": []byte("\x0a\x04\x12\x02\x12\x09")} {
		if _, err := e.send(message); status.Code(err) == codes.OK {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestWhatEnvoyLetPass: what is known then is in the session's token, which
// counts only where the request went on.
func TestWhatEnvoyLetPass(t *testing.T) {
	fast := func(upstream string) *accesslog.Entry {
		return &accesslog.Entry{
			Route: "a/" + string(contract.RouteFast), Upstream: upstream,
			Token: accesslog.Token{Issuer: "i", Subject: "ann", Session: "h", Principal: "p"},
		}
	}
	for name, tt := range map[string]struct {
		entry *accesslog.Entry
		want  accesslog.Known
	}{
		"it went on": {fast("/run/a.sock"), accesslog.Known{Adapter: "a", Era: "legacy", Session: "h", Principal: "p", Who: "i|ann", Passed: true}},
		"it did not": {fast(""), accesslog.Known{Adapter: "a"}},
	} {
		if got, is := accesslog.KnownOf(tt.entry); got != tt.want || !is {
			t.Errorf("%s: %+v, %v", name, got, is)
		}
	}
}

func FuzzExport(f *testing.F) {
	f.Add(export(line(nil)))
	f.Add(export(line(map[contract.LogField]string{contract.LogID: "\xff", contract.LogJudged: contract.Judged{Tool: "\x1f"}.Encode()}), "x"))
	f.Add([]byte("\x0a\x04\x12\x02\x12\x09"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		r := &requests{}
		accesslog.New(&leases{}, r, nil).Export(message)
		for _, e := range r.told {
			if e.Took < 0 || strings.ToValidUTF8(e.Path+e.ID+e.Details+e.Token.Subject+e.Judged.Tool, "") != e.Path+e.ID+e.Details+e.Token.Subject+e.Judged.Tool {
				t.Errorf("%+v", e)
			}
			accesslog.KnownOf(&e)
		}
	})
}

// TestWhichTrace: the trace of a request is that of Envoy's span, or of the one that
// the processor chose, or the client's.
func TestWhichTrace(t *testing.T) {
	const named, other = "0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"
	const client, chosen = "00-" + named + "-b7ad6b7169203331-00", "00-" + other + "-c7ad6b7169203331-01 b7ad6b7169203331 vendor=1"
	for name, tt := range map[string]struct {
		traceparent, told string
		envoys            []byte
		want              string
		recorded          bool
	}{
		"nobody's":        {"-", "", nil, strings.Repeat("0", 32), false},
		"the client's":    {client, "", nil, named, false},
		"the processor's": {client, chosen, nil, other, true},
		"Envoy's":         {client, chosen, trace[:], trace.String(), false},
		"what is none":    {"x", "x", nil, strings.Repeat("0", 32), false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExporter(t)
			told := line(map[contract.LogField]string{
				contract.LogTraceparent: tt.traceparent, contract.LogJudged: contract.Judged{Verdict: "allow", Span: tt.told}.Encode(),
			})
			if rejected, err := e.send(exportIn(tt.envoys, tt.envoys[:min(8, len(tt.envoys))], told)); rejected != 0 || err != nil {
				t.Fatalf("%d rejected, error %v", rejected, err)
			}
			got := e.requests.told[0]
			if got.Trace.String() != tt.want || got.Recorded.IsRecorded() != tt.recorded || got.Span.IsValid() != (tt.recorded || tt.envoys != nil) {
				t.Errorf("%v, %v, %+v", got.Trace, got.Span, got.Recorded)
			}
		})
	}
}
