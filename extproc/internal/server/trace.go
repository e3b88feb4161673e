package server

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

// record makes the span of a judgement that is complete, within that of the
// request. Where the message names another trace, which is recorded, the access log
// is told of that one.
func (c *conversation) record(begin time.Time, policy decide.Policy, message inspect.Message, d *decide.Decision) {
	if !c.Tracer.On() {
		return
	}
	origin := tracing.Origin{
		Transport: c.within(policy, d),
		Message:   tracing.Context(message.Traceparent, message.Tracestate),
	}
	if !origin.Transport.IsSampled() && !origin.Message.IsSampled() {
		return // nobody records it
	}
	if origin.Message.IsSampled() {
		d.Metadata.Trace = c.Tracer.ForeignTrace(origin)
	}
	span := c.Tracer.Internal(begin, origin, "judge")
	defer span.End()
	c.span = span
	m := d.Metadata
	about := tracing.Message{
		Method: m.Method, Tool: m.Tool, NamesTool: m.Listed == contract.ListedYes, Adapter: m.Adapter, Era: string(m.Era), Principal: m.Principal, Session: m.Session,
		ProtocolVersion: message.ProtocolVersion,
	}
	span.Describe("judge", about)
	span.Set("mooring.verdict", m.Verdict)
	if d.Refusal != nil && d.Refusal.Status >= http.StatusInternalServerError {
		span.Fail(d.Refusal.Reason)
	}
}

// within is the span of the request: Envoy's, if it makes one. Else it is chosen
// here whether there is one, of which the access log and the server are told.
func (c *conversation) within(policy decide.Policy, d *decide.Decision) tracing.Parent {
	if own := c.envoys(); own.IsValid() {
		return own
	}
	sent := tracing.Context(c.header.Get(tracing.Traceparent), c.header.Get(tracing.Tracestate))
	chosen := c.Tracer.Choose(sent, policy.Traced)
	switch {
	case chosen.IsRecorded():
		d.Metadata.Span = chosen.Encode()
		tell(d, chosen.Span)
		return chosen.Span
	case sent.IsSampled():
		// Who is behind would record what nobody records here.
		tell(d, sent.WithTraceFlags(sent.TraceFlags()&^trace.FlagsSampled))
		return tracing.Parent{}
	}
	return sent
}

// tell makes the request name the span to whom it goes on to.
func tell(d *decide.Decision, span tracing.Parent) {
	traceparent, tracestate := tracing.Carrier(span)
	d.Set = append(d.Set, decide.Field{Name: tracing.Traceparent, Value: traceparent})
	if tracestate == "" {
		d.Remove = append(d.Remove, tracing.Tracestate)
		return
	}
	d.Set = append(d.Set, decide.Field{Name: tracing.Tracestate, Value: tracestate})
}

// envoys is Envoy's span of this very call, if it makes one.
func (c *conversation) envoys() tracing.Parent {
	one := func(name string) string {
		if values := metadata.ValueFromIncomingContext(c.stream.Context(), name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	parent := one(tracing.Traceparent)
	if parent == "" {
		return tracing.Parent{}
	}
	return tracing.Context(parent, one(tracing.Tracestate))
}
