package server

import (
	"net/http"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

// record makes the span of a judgement that is complete. Envoy's own span of
// the call is its parent. Where the message names another trace, which is
// recorded, the access log is told of that one.
func (c *conversation) record(begin time.Time, header http.Header, message inspect.Message, d *decide.Decision) {
	if !c.Tracer.On() {
		return
	}
	origin := tracing.Origin{
		Transport: c.caller(header),
		Message:   tracing.Context(message.Traceparent, message.Tracestate),
	}
	if origin.Transport.IsValid() && !origin.Transport.IsSampled() && !origin.Message.IsSampled() {
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
	d.Metadata.Span = tracing.SpanName(about)
	span.Describe("judge", about)
	span.Set("mooring.verdict", m.Verdict)
	if d.Refusal != nil && d.Refusal.Status >= http.StatusInternalServerError {
		span.Fail(d.Refusal.Reason)
	}
}

// caller is who asks: Envoy's span, or where it makes none, what the client sent.
func (c *conversation) caller(header http.Header) tracing.Parent {
	if parent := c.envoys(); parent.IsValid() {
		return parent
	}
	return tracing.Context(header.Get(tracing.Traceparent), header.Get(tracing.Tracestate))
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
