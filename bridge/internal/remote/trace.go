package remote

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/about"
)

// attributeSession is the hash of the session that a span belongs to.
const attributeSession = "mcp.session.id"

// traced begins the spans of the message that r carries: one for its client, and
// one for the server, which is told of it in a header. The message itself is
// passed on as it came. The returned function ends both.
func (p *Proxy) traced(r *http.Request, begin time.Time) (*http.Request, func()) {
	if !p.cfg.Tracer.On() || r.Method != http.MethodPost {
		return r, func() {}
	}
	e := exchangeOf(r)
	e.served = p.cfg.Tracer.Server(begin, about.Origin(r, e.msg), "message")
	e.asked = p.cfg.Tracer.Client(e.served, "call")
	e.served.Describe("", about.Message(r, e.msg, p.cfg.Adapter))
	e.asked.Describe("", tracing.Message{Method: e.msg.Method, Tool: about.Tool(e.msg), Adapter: p.cfg.Adapter, Transport: "tcp"})
	e.asked.Set("server.address", p.cfg.URL.Hostname())
	return e.with(about.With(r, e.served)), func() {
		e.asked.End()
		e.served.End()
	}
}

// failed says to the spans what went wrong, in one of few words.
func (e exchange) failed(wrong string) {
	e.asked.Fail(wrong)
	e.served.Fail(wrong)
}

// log is for lines that belong to a request, of the client or to the server.
func (p *Proxy) log(r *http.Request) *slog.Logger {
	e := exchangeOf(r)
	if e.in != nil {
		// What goes to the server lacks what is the gateway's own.
		r = about.With(e.in, e.served)
	}
	return about.Log(p.cfg.Log, r, e.msg)
}

// refuse answers for a request that is not passed on.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	exchangeOf(r).served.Fail(strconv.Itoa(status))
	if p.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
		p.log(r).Debug("refused", "status", status, "reason", message)
	}
	writeError(w, status, requestID(r), message)
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
