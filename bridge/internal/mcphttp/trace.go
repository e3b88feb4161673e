package mcphttp

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// attributeSession is the hash of the session that a span belongs to.
const attributeSession = "mcp.session.id"

// traced begins the span of the message that r carries.
func (h *Handler) traced(r *http.Request, begin time.Time, m jsonrpc.Message) (*http.Request, tracing.Span) {
	if !h.cfg.Tracer.On() {
		return r, tracing.Span{}
	}
	span := h.cfg.Tracer.Server(begin, about.Origin(r, m), "message")
	span.Describe("", about.Message(r, m, h.cfg.Adapter))
	return about.With(r, span), span
}

// refused answers with a refusal, which the span and, for who looks closely, the
// log tell of.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, ref *refusal) {
	if ref.code != 0 {
		about.Span(r).SetCode(strconv.Itoa(ref.code))
	}
	about.Span(r).Fail(strconv.Itoa(ref.status))
	if h.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
		h.log(r, m).Debug("refused", "status", ref.status, "code", ref.code, "reason", ref.message)
	}
	ref.write(w, m.RawID)
}

// log is for lines that belong to a request. M is its message, and zero where
// there is none.
func (h *Handler) log(r *http.Request, m jsonrpc.Message) *slog.Logger {
	return about.Log(h.cfg.Log, r, m)
}

// log is for lines that belong to the session.
func (s *session) log() *slog.Logger {
	return s.h.cfg.Log.With(logging.Session, logging.SessionHash(s.id), logging.Principal, s.principal)
}

// log is for lines that belong to the worker.
func (wk *worker) log() *slog.Logger {
	return wk.h.cfg.Log.With(logging.Principal, wk.key.principal)
}

// passedOn begins the span of a call to the server, and returns what the server
// is told of it.
func (h *Handler) passedOn(c *call, parent tracing.Span, line []byte) []jsonrpc.Edit {
	if !h.cfg.Tracer.On() {
		return nil
	}
	c.asked, c.serving = h.cfg.Tracer.Client(parent, "call"), parent
	c.asked.Describe("", tracing.Message{Method: c.msg.Method, Tool: about.Tool(c.msg), Adapter: h.cfg.Adapter, Transport: h.cfg.Transport})
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
			span.Name(tracing.SpanName(tracing.Message{Method: c.msg.Method, Tool: tool, NamesTool: true}))
		}
		span.Result(outcome.Wrong(), c.code)
	}
	c.asked.End()
}
