package tracing

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Request is the span of a whole request, as a gateway chooses it when the
// request has come: what is behind the gateway is told its ids at once, and the
// span itself is made when the request has ended. The zero value is none, since
// nobody records it.
type Request struct {
	// Span is that span, and Parent the one that it is part of, of the same trace.
	// Parent is not valid where Span begins a trace.
	Span, Parent Parent
}

// IsRecorded reports whether there is a span.
func (r Request) IsRecorded() bool { return r.Span.IsValid() }

// Choose chooses whether the span of a request is recorded that came with a
// parent, valid or not. It is where it was chosen before, by whoever directed it
// here.
func (t *Tracer) Choose(parent Parent, chosen bool) Request {
	if t == nil {
		return Request{}
	}
	config := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: trace.FlagsSampled, TraceState: parent.TraceState(), Remote: true}
	if !parent.IsValid() {
		_, _ = rand.Read(config.TraceID[:]) // never fails
	}
	if !chosen && !t.chooses(parent, config.TraceID) {
		return Request{}
	}
	_, _ = rand.Read(config.SpanID[:])
	return Request{Span: trace.NewSpanContext(config), Parent: parent}
}

// requestSeparator stands between the texts of an encoded Request.
const requestSeparator = " "

// Encode is r as a text, empty where it is none.
func (r Request) Encode() string {
	if !r.IsRecorded() {
		return ""
	}
	traceparent, tracestate := Carrier(r.Span)
	parent := ""
	if r.Parent.IsValid() {
		parent = r.Parent.SpanID().String()
	}
	return strings.Join([]string{traceparent, parent, tracestate}, requestSeparator)
}

// DecodeRequest is the inverse of Encode. All other texts are none.
func DecodeRequest(text string) Request {
	parts := strings.SplitN(text, requestSeparator, 3)
	if len(parts) != 3 {
		return Request{}
	}
	r := Request{Span: Context(parts[0], parts[2])}
	if !r.Span.IsSampled() {
		return Request{}
	}
	if parts[1] == "" {
		return r
	}
	id, err := trace.SpanIDFromHex(parts[1])
	if err != nil {
		return Request{}
	}
	r.Parent = r.Span.WithSpanID(id)
	return r
}

// Tell makes the span of a request that began then. The caller ends it.
func (t *Tracer) Tell(r Request, begin time.Time, name string) Span {
	if t == nil || !r.IsRecorded() {
		return Span{}
	}
	ctx := context.WithValue(context.Background(), givenKey{}, r.Span)
	ctx = trace.ContextWithRemoteSpanContext(ctx, r.Parent)
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(begin), trace.WithSpanKind(trace.SpanKindServer))
	return Span{span}
}

// givenKey is the key of the span whose ids were given away.
type givenKey struct{}

// givenIDs are the ids of spans that others know already.
type givenIDs struct{}

// NewIDs implements sdktrace.IDGenerator.
func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	span, _ := ctx.Value(givenKey{}).(Parent)
	return span.TraceID(), span.SpanID()
}

// NewSpanID implements sdktrace.IDGenerator.
func (g givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, span := g.NewIDs(ctx)
	return span
}
