// Package spans makes the spans of requests from what Envoy's access log tells of
// them. Envoy could make them itself, but makes one of each request then, whether
// it is recorded or not. The package refuses to choose of what was judged: that was
// done when the request came.
package spans

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// part is the program that the spans are of: they tell what Envoy saw.
const part = "envoy"

// Spans makes spans. It is safe for use by several goroutines.
type Spans struct{ chooser, gateway *tracing.Tracer }

// New makes Spans by the tracer that requests are chosen by. Nil makes none.
func New(t *tracing.Tracer) *Spans { return &Spans{t, t.Gateway(part)} }

// Take implements accesslog.Requests. Requests that have not ended have no span.
func (s *Spans) Take(entry *accesslog.Entry) {
	if entry.Open || !s.gateway.On() {
		return
	}
	known, _ := accesslog.KnownOf(entry)
	recorded := entry.Recorded
	if known.Verdict == "" && !known.Passed && !entry.Span.IsValid() {
		// Nobody has chosen: it was answered before it could be judged, or it is none
		// that is judged.
		recorded = s.chooser.Choose(tracing.Context(entry.Traceparent, ""), false)
	}
	if !recorded.IsRecorded() {
		return
	}
	about := tracing.Message{
		Method: known.Method, Tool: known.Tool, NamesTool: known.Listed == contract.ListedYes, Adapter: known.Adapter, Era: known.Era,
		Principal: known.Principal, Session: known.Session,
	}
	span := s.gateway.Tell(recorded, entry.Start, "request")
	span.Describe(verb(entry), about)
	if known.Method == "" {
		span.Name(verb(entry) + " " + cmp.Or(entry.Route, "unrouted"))
	}
	describe(span, entry, known)
	span.EndAt(entry.Start.Add(entry.Took))
}

// verb is the HTTP method, of those that are known.
func verb(entry *accesslog.Entry) string {
	if entry.Method == accesslog.MethodUnknown {
		return "HTTP"
	}
	return entry.Method
}

// describe adds what OpenTelemetry's conventions for HTTP tell of a request, and
// what only Envoy knows. The path has no query, which may hold anything.
func describe(span tracing.Span, entry *accesslog.Entry, known accesslog.Known) {
	for _, a := range []struct{ key, value string }{
		{"http.request.method", verb(entry)}, {"url.path", entry.Path}, {"http.route", entry.Route},
		{"client.address", entry.Source}, {"mooring.upstream", entry.Upstream}, {"mooring.request.id", entry.ID},
		{"mooring.envoy.response_flags", entry.Flags}, {"mooring.envoy.response_details", entry.Details},
		{"mooring.verdict", known.Verdict}, {"mooring.message.trace_id", known.Trace},
	} {
		span.Set(a.key, a.value)
	}
	span.SetNumber("http.request.body.size", entry.ReceivedBody)
	span.SetNumber("http.response.body.size", entry.SentBody)
	if entry.Status == 0 {
		span.Fail("unanswered")
		return
	}
	span.SetNumber("http.response.status_code", uint64(entry.Status))
	if entry.Status >= http.StatusInternalServerError {
		span.Fail(strconv.FormatUint(uint64(entry.Status), 10))
	}
}
