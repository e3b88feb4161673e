package remote

import (
	"net/http"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// traced begins the spans of the message that r carries: one for its client, and
// one for the server, which is told of it in a header. The message itself is
// passed on as it came. The returned function ends both.
func (p *Proxy) traced(r *http.Request, begin time.Time) (*http.Request, func()) {
	if !p.cfg.Tracer.On() || r.Method != http.MethodPost {
		return r, func() {}
	}
	e := exchangeOf(r)
	// What is no message is for the server to refuse.
	m, _ := jsonrpc.ParseLenient(e.message)
	served := p.cfg.Tracer.Server(begin, tracing.Origin{
		Transport: tracing.Context(r.Header.Get(tracing.Traceparent), r.Header.Get(tracing.Tracestate)),
		Message:   tracing.Context(m.Traceparent, m.Tracestate),
	}, "message")
	e.asked = p.cfg.Tracer.Client(served, "call")
	about := tracing.Message{Method: m.Method, ProtocolVersion: m.MetaVersion, Adapter: p.cfg.Adapter}
	if m.Method == jsonrpc.MethodToolsCall {
		about.Tool = m.Name
	}
	served.Describe("", about)
	e.asked.Describe("", about)
	return e.with(r), func() {
		e.asked.End()
		served.End()
	}
}

// inject tells the server of the span of its request, in the place of what the
// client sent.
func inject(h http.Header, span tracing.Span) {
	traceparent, tracestate := span.Carrier()
	if traceparent == "" {
		return
	}
	h.Set(tracing.Traceparent, traceparent)
	h.Del(tracing.Tracestate)
	if tracestate != "" {
		h.Set(tracing.Tracestate, tracestate)
	}
}
