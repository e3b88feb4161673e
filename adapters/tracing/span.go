package tracing

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Names of W3C's trace context, as headers and as keys of params._meta.
const (
	Traceparent = "traceparent"
	Tracestate  = "tracestate"
)

// Parent is a span of others that a span of ours may be part of.
type Parent = trace.SpanContext

// Context is the span that a traceparent and a tracestate of W3C's trace context
// name, or none where they are not what they should be.
func Context(traceparent, tracestate string) Parent {
	if traceparent == "" {
		return Parent{}
	}
	carrier := propagation.MapCarrier{Traceparent: traceparent, Tracestate: tracestate}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// Carrier are the traceparent and the tracestate that name the span: the inverse
// of Context. They are empty where it is not valid.
func Carrier(span trace.SpanContext) (traceparent, tracestate string) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span), carrier)
	return carrier[Traceparent], carrier[Tracestate]
}

// Origin is where a message comes from: the span that its request was sent in,
// and the one that the message itself names in params._meta.
type Origin struct{ Transport, Message Parent }

// TraceID is the trace that a span with this origin is a part of: that of the
// message before that of its request. It is empty where there is neither.
func (o Origin) TraceID() string {
	for _, parent := range []Parent{o.Message, o.Transport} {
		if parent.IsValid() {
			return parent.TraceID().String()
		}
	}
	return ""
}

// Message is what a span tells of a message. Empty fields are unknown, or do not
// apply.
type Message struct {
	// Method is that of MCP.
	Method string
	// Tool is what is called. It is a part of the span's name where NamesTool.
	Tool      string
	NamesTool bool
	// ProtocolVersion and Era are those of the client.
	ProtocolVersion, Era string
	// Adapter is the name of the adapter.
	Adapter string
	// Session and Principal are hashes.
	Session, Principal string
	// Transport is tcp, unix or pipe.
	Transport string
}

// Span is a span that is being made. The zero value is none.
type Span struct{ span trace.Span }

// On reports whether t makes spans.
func (t *Tracer) On() bool { return t != nil }

// ForeignTrace is the id of the trace that a message names, where that is another
// than its request's and t follows it. Otherwise it is empty.
func (t *Tracer) ForeignTrace(o Origin) string {
	if t == nil || !t.follows || !o.Message.IsValid() || o.Message.TraceID() == o.Transport.TraceID() {
		return ""
	}
	return o.Message.TraceID().String()
}

// Server begins the span of a message that has come. Its parent is the span of
// the request, or where the message names another trace, the span that the
// message names: then the request's is linked, as the conventions for MCP say. A
// caller that may not choose what is recorded is linked only. Of a trace that is
// not recorded there is no span.
func (t *Tracer) Server(begin time.Time, o Origin, name string) Span {
	return t.begin(begin, o, name, trace.SpanKindServer)
}

// Internal is Server for work on a message on its way.
func (t *Tracer) Internal(begin time.Time, o Origin, name string) Span {
	return t.begin(begin, o, name, trace.SpanKindInternal)
}

func (t *Tracer) begin(begin time.Time, o Origin, name string, kind trace.SpanKind) Span {
	if t == nil {
		return Span{}
	}
	parent, linked := o.Transport, o.Message
	if t.ForeignTrace(o) != "" || !parent.IsValid() && t.follows {
		parent, linked = o.Message, o.Transport
	}
	if parent.IsValid() && !parent.IsSampled() && t.obeys || !parent.IsValid() && t.behind {
		// Nobody would see it, and what is passed on says so by itself.
		return Span{}
	}
	options := []trace.SpanStartOption{trace.WithTimestamp(begin), trace.WithSpanKind(kind)}
	if linked.IsValid() && linked.TraceID() != parent.TraceID() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: linked}))
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	_, span := t.tracer.Start(ctx, name, options...)
	return Span{span}
}

// Client begins the span of what s waits for: a message that is passed on.
func (t *Tracer) Client(s Span, name string) Span {
	if t == nil || s.span == nil {
		return Span{}
	}
	ctx := trace.ContextWithSpan(context.Background(), s.span)
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	return Span{span}
}

// Carrier are the traceparent and the tracestate by which others continue the
// trace. They are empty where there is no span.
func (s Span) Carrier() (traceparent, tracestate string) {
	if s.span == nil {
		return "", ""
	}
	return Carrier(s.span.SpanContext())
}

// IDs are those of trace and span, for logs. They are empty where there is none.
func (s Span) IDs() (traceID, spanID string) {
	if s.span == nil {
		return "", ""
	}
	c := s.span.SpanContext()
	return c.TraceID().String(), c.SpanID().String()
}

// Recorded is the id of the span's trace, where the span is recorded, so that who
// follows the id finds something. Otherwise it is empty.
func (s Span) Recorded() string {
	if s.span == nil || !s.span.SpanContext().IsSampled() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Describe says what the span is about, and names it.
func (s Span) Describe(verb string, m Message) {
	if s.span == nil || !s.span.IsRecording() {
		return
	}
	s.span.SetName(strings.TrimSpace(verb + " " + SpanName(m)))
	all := make([]attribute.KeyValue, 0, 12)
	for _, a := range []struct{ key, value string }{
		{"mcp.method.name", methodName(m.Method)}, {"gen_ai.tool.name", m.Tool}, {"mcp.protocol.version", m.ProtocolVersion},
		{"network.transport", m.Transport}, {"mooring.adapter", m.Adapter}, {"mooring.era", m.Era},
		{"mcp.session.id", m.Session}, {"mooring.principal.hash", m.Principal},
	} {
		if a.value != "" {
			all = append(all, attribute.String(a.key, bounded(a.value)))
		}
	}
	if m.Method == methodCallTool {
		all = append(all, attribute.String("gen_ai.operation.name", "execute_tool"))
	}
	s.span.SetAttributes(all...)
}

// Set adds an attribute, unless its value is empty.
func (s Span) Set(key, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, bounded(value)))
	}
}

// SetNumber adds an attribute that is a number.
func (s Span) SetNumber(key string, n uint64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, int64(min(n, math.MaxInt64))))
	}
}

// Name names the span, by one of few names.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(bounded(name))
	}
}

// SetCode adds the code of a JSON-RPC error.
func (s Span) SetCode(code string) { s.Set("rpc.response.status_code", code) }

// Fail says that what the span is about failed. The reason is one of few.
func (s Span) Fail(reason string) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String("error.type", reason))
	s.span.SetStatus(codes.Error, "")
}

// Result says how what the span is about came out: what went wrong, in one of few
// words, which is empty where nothing did; and the code of the JSON-RPC error that
// it was answered with, which where it is not zero says more than the word.
func (s Span) Result(wrong string, code int) {
	switch {
	case wrong == "":
	case code != 0:
		s.SetCode(strconv.Itoa(code))
		s.Fail(strconv.Itoa(code))
	default:
		s.Fail(wrong)
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// EndAt ends it at that time.
func (s Span) EndAt(end time.Time) {
	if s.span != nil {
		s.span.End(trace.WithTimestamp(end))
	}
}

// bounded is text without what no collector takes.
func bounded(text string) string {
	const most = 128
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
