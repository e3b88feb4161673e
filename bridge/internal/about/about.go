// Package about says what a request to the bridge is about, in the words that the
// logs and traces of all parts have. It decides nothing about the request, and
// refuses to know what is done with it.
package about

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const (
	headerRequestID = "X-Request-Id"
	headerSession   = "Mcp-Session-Id"
	headerVersion   = "Mcp-Protocol-Version"

	// maxWord bounds what clients may have chosen.
	maxWord = 128
)

// spanKey is the context key of the span of a request's message.
type spanKey struct{}

// With is r with the span of its message.
func With(r *http.Request, span tracing.Span) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), spanKey{}, span))
}

// Span is the span of the request's message, or none.
func Span(r *http.Request) tracing.Span {
	span, _ := r.Context().Value(spanKey{}).(tracing.Span)
	return span
}

// Origin is where the message m, which r carries, comes from.
func Origin(r *http.Request, m jsonrpc.Message) tracing.Origin {
	return tracing.Origin{
		Transport: tracing.Context(r.Header.Get(tracing.Traceparent), r.Header.Get(tracing.Tracestate)),
		Message:   tracing.Context(m.Traceparent, m.Tracestate),
	}
}

// FirstModern is the first version of the modern era, which knows no sessions.
const FirstModern = "2026-07-28"

// Modern reports whether a request belongs to the modern era: by the version in
// its header or in its _meta, never by its method. M is zero for a request without
// a message.
func Modern(r *http.Request, m jsonrpc.Message) bool {
	return m.MetaVersion != "" || ModernVersion(r.Header.Get(headerVersion))
}

// ModernVersion reports whether a version of the protocol is of the modern era. It
// compares dates; names of drafts are not dates.
func ModernVersion(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= FirstModern
}

// Message is what the span of the message m, which r carries to the adapter of
// that name, tells of it.
func Message(r *http.Request, m jsonrpc.Message, adapter string) tracing.Message {
	era := "legacy"
	if Modern(r, m) {
		era = "modern"
	}
	return tracing.Message{
		Method: m.Method, Tool: Tool(m), ProtocolVersion: version(r, m), Era: era, Adapter: adapter, Transport: transport(r),
		Principal: r.Header.Get(launch.HeaderPrincipal), Session: logging.SessionHash(r.Header.Get(headerSession)),
	}
}

// Tool is the tool that m calls, or empty.
func Tool(m jsonrpc.Message) string {
	if m.Method != jsonrpc.MethodToolsCall {
		return ""
	}
	return m.Name
}

func version(r *http.Request, m jsonrpc.Message) string {
	switch {
	case m.MetaVersion != "":
		return m.MetaVersion
	case m.Method == jsonrpc.MethodInitialize:
		return m.ProtocolVersion
	}
	return r.Header.Get(headerVersion)
}

func transport(r *http.Request) string {
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return address.Network()
	}
	return ""
}

// Log is log for lines that belong to the request r. M is its message, and zero
// where there is none, or it was not read yet.
func Log(log *slog.Logger, r *http.Request, m jsonrpc.Message) *slog.Logger {
	trace, span := Span(r).IDs()
	if trace == "" {
		trace = Origin(r, m).TraceID()
	}
	return log.With(
		logging.RequestID, word(r.Header.Get(headerRequestID)), logging.Principal, word(r.Header.Get(launch.HeaderPrincipal)),
		logging.Session, logging.SessionHash(r.Header.Get(headerSession)), logging.Method, word(m.Method), logging.Tool, word(Tool(m)),
		logging.TraceID, trace, logging.SpanID, span)
}

// word is text of a bearable length.
func word(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxWord)], "")
}
