package mcphttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// spanKey is the context key of the span of a request's message.
type spanKey struct{}

// spanOf is the span of the request's message, or none.
func spanOf(r *http.Request) tracing.Span {
	span, _ := r.Context().Value(spanKey{}).(tracing.Span)
	return span
}

// traced begins the span of the message that r carries.
func (h *Handler) traced(r *http.Request, begin time.Time, m jsonrpc.Message) (*http.Request, tracing.Span) {
	if !h.cfg.Tracer.On() {
		return r, tracing.Span{}
	}
	span := h.cfg.Tracer.Server(begin, tracing.Origin{
		Transport: tracing.Context(r.Header.Get(tracing.Traceparent), r.Header.Get(tracing.Tracestate)),
		Message:   tracing.Context(m.Traceparent, m.Tracestate),
	}, "message")
	era := "legacy"
	if isModern(r, m) {
		era = "modern"
	}
	span.Describe("", tracing.Message{
		Method: m.Method, Tool: toolOf(m), ProtocolVersion: versionOf(r, m), Era: era, Adapter: h.cfg.Adapter, Transport: transportOf(r),
	})
	if id := r.Header.Get(headerSession); id != "" {
		span.Set("mooring.bridge.session.hash", hashOf(id))
	}
	return r.WithContext(context.WithValue(r.Context(), spanKey{}, span)), span
}

// refused says that the message was answered with a refusal.
func refused(span tracing.Span, ref *refusal) {
	if ref == nil {
		return
	}
	if ref.code != 0 {
		span.SetCode(strconv.Itoa(ref.code))
	}
	span.Fail(strconv.Itoa(ref.status))
}

// passedOn begins the span of a call to the server, and returns what the server
// is told of it.
func (h *Handler) passedOn(c *call, parent tracing.Span, line []byte) []jsonrpc.Edit {
	if !h.cfg.Tracer.On() {
		return nil
	}
	c.asked, c.serving = h.cfg.Tracer.Client(parent, "call"), parent
	c.asked.Describe("", tracing.Message{Method: c.msg.Method, Tool: toolOf(c.msg), Adapter: h.cfg.Adapter, Transport: "pipe"})
	traceparent, tracestate := c.asked.Carrier()
	return jsonrpc.Traced(c.msg, line, traceparent, tracestate)
}

// outcomeUnsent is the outcome of a call that the server did not take, in traces.
const outcomeUnsent tools.Outcome = "unsent"

// over ends the span of a call. The tool is the one that its span may be named
// after: clients choose names, so it is empty where the server is not known to have
// it.
func (c *call) over(tool string, outcome tools.Outcome) {
	for _, span := range []tracing.Span{c.asked, c.serving} {
		if tool != "" {
			span.Rename(tracing.Message{Method: c.msg.Method, Tool: tool, NamesTool: true})
		}
		switch {
		case outcome == tools.Error && c.code != 0:
			span.SetCode(strconv.Itoa(c.code))
			span.Fail(strconv.Itoa(c.code))
		case outcome != tools.OK:
			span.Fail(string(outcome))
		}
	}
	c.asked.End()
}

func toolOf(m jsonrpc.Message) string {
	if m.Method != jsonrpc.MethodToolsCall {
		return ""
	}
	return m.Name
}

func versionOf(r *http.Request, m jsonrpc.Message) string {
	switch {
	case m.MetaVersion != "":
		return m.MetaVersion
	case m.Method == jsonrpc.MethodInitialize:
		return m.ProtocolVersion
	}
	return r.Header.Get(headerVersion)
}

func transportOf(r *http.Request) string {
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return address.Network()
	}
	return ""
}

// hashOf stands for a session id, which must not show.
func hashOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}
