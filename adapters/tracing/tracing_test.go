package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	aTrace = "0af7651916cd43dd8448eb211c80319c"
	bTrace = "1af7651916cd43dd8448eb211c80319c"
)

func parent(trace string, sampled bool) Parent {
	flags := "00"
	if sampled {
		flags = "01"
	}
	return Context("00-"+trace+"-b7ad6b7169203331-"+flags, "vendor=1")
}

// kept is an exporter that keeps spans, or blocks, or fails.
type kept struct {
	spans chan sdktrace.ReadOnlySpan
	block chan struct{}
	err   error
}

func (k *kept) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if k.block != nil {
		select {
		case <-k.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, s := range spans {
		k.spans <- s
	}
	return k.err
}

func (*kept) Shutdown(context.Context) error { return nil }

func settings(s otlp.Sampler) otlp.Settings {
	return otlp.Settings{Protocol: otlp.GRPC, Endpoint: "http://localhost:4317", Sampler: s, Queue: 8, Batch: 4, Delay: time.Millisecond, Timeout: time.Minute}
}

// started is a Tracer that runs until the test ends.
func started(t *testing.T, s otlp.Settings, part Part, k *kept) (*Tracer, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	tracer := open(s, part, reg, k)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tracer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return tracer, reg
}

func TestOffIsNothing(t *testing.T) {
	tracer, err := Open(otlp.Settings{}, Part{}, prometheus.NewRegistry())
	if tracer != nil || err != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	allocations := testing.AllocsPerRun(100, func() {
		span := tracer.Server(time.Time{}, Origin{}, "x")
		asked := tracer.Client(span, "x")
		asked.Describe("", Message{Method: "tools/call"})
		asked.Fail("x")
		asked.End()
		if traceparent, _ := asked.Carrier(); traceparent != "" {
			t.Error("a span where there is none")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	if err := tracer.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestParents(t *testing.T) {
	follow, choose := otlp.Sampler{ParentBased: true, Ratio: 1}, otlp.Sampler{Ratio: 1}
	for _, tt := range []struct {
		name         string
		sampler      otlp.Sampler
		origin       Origin
		trace, links string
	}{
		{"the request's", follow, Origin{Transport: parent(aTrace, true)}, aTrace, ""},
		{"the message's", follow, Origin{Message: parent(bTrace, true)}, bTrace, ""},
		{"the message's before the request's", follow, Origin{parent(aTrace, true), parent(bTrace, true)}, bTrace, aTrace},
		{"the same", follow, Origin{parent(aTrace, true), parent(aTrace, true)}, aTrace, ""},
		{"who may not choose is linked", choose, Origin{parent(aTrace, true), parent(bTrace, true)}, aTrace, bTrace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := &kept{spans: make(chan sdktrace.ReadOnlySpan, 8)}
			tracer, _ := started(t, settings(tt.sampler), Part{Name: "x", Behind: true}, k)
			tracer.Server(time.Now(), tt.origin, "x").End()
			s := <-k.spans
			var links string
			for _, l := range s.Links() {
				links += l.SpanContext.TraceID().String()
			}
			if s.SpanContext().TraceID().String() != tt.trace || links != tt.links {
				t.Errorf("trace %v, links %q", s.SpanContext().TraceID(), links)
			}
		})
	}
}

func TestWhatIsRecorded(t *testing.T) {
	for _, tt := range []struct {
		sampler otlp.Sampler
		behind  bool
		sampled bool
		want    bool
	}{
		{otlp.Sampler{ParentBased: true, Ratio: 1}, false, false, false},
		{otlp.Sampler{ParentBased: true}, false, true, true},
		{otlp.Sampler{Ratio: 1}, false, false, true},
		{otlp.Sampler{}, false, true, false},
		{otlp.Sampler{Ratio: 1}, true, false, false},
		{otlp.Sampler{}, true, true, true},
	} {
		k := &kept{spans: make(chan sdktrace.ReadOnlySpan, 8)}
		tracer := open(settings(tt.sampler), Part{Behind: tt.behind}, prometheus.NewRegistry(), k)
		span := tracer.Server(time.Now(), Origin{Transport: parent(aTrace, tt.sampled)}, "x")
		if got := span.Recorded() != ""; got != tt.want {
			t.Errorf("%+v: recorded %v", tt, got)
		}
		span.End()
		if got := len(tracer.queue.waiting) == 1; got != tt.want {
			t.Errorf("%+v: recorded %v", tt, got)
		}
	}
}

func TestBlockedCollectorCostsNothing(t *testing.T) {
	k := &kept{spans: make(chan sdktrace.ReadOnlySpan, 100), block: make(chan struct{})}
	tracer, reg := started(t, settings(otlp.Sampler{Ratio: 1}), Part{}, k)
	for range 100 {
		tracer.Server(time.Now(), Origin{}, "x").End()
	}
	dropped := value(t, reg, "dropped")
	if dropped < 100-8-4 || dropped > 100 {
		t.Errorf("%v dropped", dropped)
	}
	close(k.block)
	await(t, func() bool { return value(t, reg, "exported") == 100-dropped })
}

func TestFailedIsCounted(t *testing.T) {
	k := &kept{spans: make(chan sdktrace.ReadOnlySpan, 100), err: errors.New("no")}
	tracer, reg := started(t, settings(otlp.Sampler{Ratio: 1}), Part{}, k)
	tracer.Server(time.Now(), Origin{}, "x").End()
	<-k.spans
	await(t, func() bool { return value(t, reg, "failed") == 1 })
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatal("not within ten seconds")
		}
	}
}

func value(t *testing.T, reg *prometheus.Registry, result string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestNamesAreFew(t *testing.T) {
	names := map[string]bool{}
	for i := range 1000 {
		names[SpanName(Message{Method: fmt.Sprint("method", i)})] = true
		names[SpanName(Message{Method: "tools/call", Tool: fmt.Sprint("tool", i)})] = true
	}
	if len(names) != 2 {
		t.Errorf("%d names", len(names))
	}
	if got := SpanName(Message{Method: "tools/call", Tool: "time", NamesTool: true}); got != "tools/call time" {
		t.Error(got)
	}
}

func TestContextTakesOnlyWhatIsOne(t *testing.T) {
	for _, text := range []string{"", "x", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "ff-" + aTrace + "-b7ad6b7169203331-01"} {
		if Context(text, "").IsValid() {
			t.Errorf("%q was taken", text)
		}
	}
	if !parent(aTrace, true).IsValid() {
		t.Error("a good one was not taken")
	}
}

func FuzzContext(f *testing.F) {
	f.Add("00-"+aTrace+"-b7ad6b7169203331-01", "a=1,b=2")
	f.Add("", "=")
	f.Fuzz(func(t *testing.T, traceparent, tracestate string) {
		tracer := open(settings(otlp.Sampler{Ratio: 1}), Part{}, prometheus.NewRegistry(), &kept{})
		span := tracer.Server(time.Now(), Origin{Transport: Context(traceparent, tracestate)}, "x")
		if got, _ := span.Carrier(); len(got) != 55 {
			t.Errorf("%q", got)
		}
	})
}
