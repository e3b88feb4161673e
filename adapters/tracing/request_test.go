package tracing

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// TestChoose: who sends a request chooses where it may, and else the sampler does,
// or who directed the request here.
func TestChoose(t *testing.T) {
	none, all := otlp.Sampler{}, otlp.Sampler{Ratio: 1}
	followNone, followAll := otlp.Sampler{ParentBased: true}, otlp.Sampler{ParentBased: true, Ratio: 1}
	for _, tt := range []struct {
		name    string
		sampler otlp.Sampler
		parent  Parent
		chosen  bool
		want    bool
	}{
		{"all", all, Parent{}, false, true},
		{"none", none, Parent{}, false, false},
		{"none, and chosen before", none, Parent{}, true, true},
		{"all, whatever the client says", all, parent(aTrace, false), false, true},
		{"none, whatever the client says", none, parent(aTrace, true), false, false},
		{"the client says yes", followNone, parent(aTrace, true), false, true},
		{"the client says no", followAll, parent(aTrace, false), false, false},
		{"the client says nothing", followAll, Parent{}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tracer := open(settings(tt.sampler), Part{Behind: true}, prometheus.NewRegistry(), &kept{})
			r := tracer.Choose(tt.parent, tt.chosen)
			if r.IsRecorded() != tt.want {
				t.Fatalf("%+v", r)
			}
			if !tt.want {
				return
			}
			if !r.Span.IsSampled() || tt.parent.IsValid() && r.Span.TraceID() != tt.parent.TraceID() || r.Span.SpanID() == tt.parent.SpanID() {
				t.Errorf("%+v", r)
			}
			if got := DecodeRequest(r.Encode()); got.Encode() != r.Encode() || got.Parent.SpanID() != r.Parent.SpanID() || got.Span.TraceState().String() != tt.parent.TraceState().String() {
				t.Errorf("%+v came back as %+v", r, got)
			}
		})
	}
	if r := (*Tracer)(nil).Choose(parent(aTrace, true), true); r.IsRecorded() {
		t.Error("a request is recorded where traces are off")
	}
}

// TestARatioIsKept: of a thousand requests about the share is recorded.
func TestARatioIsKept(t *testing.T) {
	tracer := open(settings(otlp.Sampler{Ratio: 0.5}), Part{Behind: true}, prometheus.NewRegistry(), &kept{})
	recorded := 0
	for range 1000 {
		if tracer.Choose(Parent{}, false).IsRecorded() {
			recorded++
		}
	}
	if recorded < 350 || recorded > 650 {
		t.Errorf("%d", recorded)
	}
}

// TestTell: the span has the ids that others were told, and is that of a part of
// its own.
func TestTell(t *testing.T) {
	for name, of := range map[string]Parent{"a child": parent(aTrace, true), "a root": {}} {
		t.Run(name, func(t *testing.T) {
			k := &kept{spans: make(chan sdktrace.ReadOnlySpan, 8)}
			tracer, _ := started(t, settings(otlp.Sampler{Ratio: 1}), Part{Name: "x", Behind: true}, k)
			r := tracer.Choose(of, false)
			judged := tracer.Internal(time.Now(), Origin{Transport: r.Span}, "inner")
			judged.End()
			inner := <-k.spans
			begin := time.Unix(7, 0)
			told := tracer.Gateway("envoy").Tell(DecodeRequest(r.Encode()), begin, "outer")
			told.EndAt(begin.Add(time.Second))
			outer := <-k.spans
			if inner.Parent().SpanID() != outer.SpanContext().SpanID() || inner.SpanContext().TraceID() != outer.SpanContext().TraceID() {
				t.Errorf("%v is not within %v", inner.Parent(), outer.SpanContext())
			}
			if outer.Parent().SpanID() != of.SpanID() || outer.SpanContext().TraceState().String() != of.TraceState().String() {
				t.Errorf("the parent is %v, not %v", outer.Parent(), of)
			}
			if !outer.StartTime().Equal(begin) || outer.EndTime().Sub(begin) != time.Second {
				t.Errorf("from %v to %v", outer.StartTime(), outer.EndTime())
			}
			if got := outer.Resource().String(); !strings.Contains(got, "service.name=mooring-envoy") {
				t.Error(got)
			}
		})
	}
}

// TestNothingIsTold: neither of requests that were not chosen nor where traces are
// off.
func TestNothingIsTold(t *testing.T) {
	tracer := open(settings(otlp.Sampler{Ratio: 1}), Part{}, prometheus.NewRegistry(), &kept{})
	tracer.Gateway("envoy").Tell(Request{}, time.Now(), "x").EndAt(time.Now())
	(*Tracer)(nil).Gateway("envoy").Tell(tracer.Choose(Parent{}, true), time.Now(), "x").EndAt(time.Now())
	if len(tracer.queue.waiting) > 0 {
		t.Error("a span of nothing")
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add("00-" + aTrace + "-b7ad6b7169203331-01  ")
	f.Add("00-" + aTrace + "-b7ad6b7169203331-01 b7ad6b7169203332 vendor=1")
	f.Add("00-" + aTrace + "-b7ad6b7169203331-00  ")
	f.Add("- x y")
	f.Fuzz(func(t *testing.T, text string) {
		r := DecodeRequest(text)
		if again := DecodeRequest(r.Encode()); again.Encode() != r.Encode() {
			t.Errorf("%q is %q, then %q", text, r.Encode(), again.Encode())
		}
	})
}
