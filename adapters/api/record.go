package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/tracing"
)

// headerRequestID names a request in the logs of all parts. Envoy sets it.
const headerRequestID = "X-Request-Id"

// maxRequestID is the longest request id that is taken from a request.
const maxRequestID = 128

// call is what is known of the request that is being served. It belongs to the
// goroutine that serves it.
type call struct {
	id        string
	principal string
	// who is the principal's id, for the audit alone.
	who string
	// before and after are the adapter around a change that was made.
	before, after *adapters.Adapter
	status        int
	err           error
	// jsonRPC means that errors are told as JSON-RPC errors.
	jsonRPC bool
}

type callKey struct{}

func callOf(r *http.Request) *call {
	c, found := r.Context().Value(callKey{}).(*call)
	if !found {
		panic("api: a request that was not recorded")
	}
	return c
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	call *call
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.call.status == 0 {
		w.call.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.call.status == 0 {
		w.call.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recorded gives each request its id and its line in the log, and turns a panic
// into a 500.
func (a *api) recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: requestIDHeader(r.Header)}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		recording := &recorder{ResponseWriter: w, call: c}
		recording.Header().Set(headerRequestID, c.id)
		recording.Header().Set("X-Content-Type-Options", "nosniff")
		start := time.Now()
		defer func() {
			thrown := recover()
			if thrown != nil && thrown != http.ErrAbortHandler {
				c.err = fmt.Errorf("panic: %v\n%s", thrown, debug.Stack())
				if c.status == 0 {
					a.fail(recording, r, c.err)
					thrown = nil
				} else {
					thrown = http.ErrAbortHandler
				}
			}
			a.log(r, c, time.Since(start))
			a.audit(r, recording.Header(), c)
			if thrown != nil {
				panic(thrown)
			}
		}()
		next.ServeHTTP(recording, r)
	})
}

// log writes the request's line: an error where the server is at fault, and
// reads only for who looks closely.
func (a *api) log(r *http.Request, c *call, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String(logging.RequestID, c.id),
		slog.String(logging.Adapter, adapterOf(r.URL.Path)),
		slog.String(logging.Principal, c.principal),
		slog.String(logging.TraceID, traceOf(r.Header)),
		slog.String("http_method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", c.status),
		slog.Int64("duration_ms", took.Milliseconds()),
	}
	if c.err != nil {
		attrs = append(attrs, slog.Any("error", c.err))
	}
	switch {
	case c.status >= http.StatusInternalServerError && c.status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case c.err == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		level = slog.LevelDebug
	}
	a.Log.LogAttrs(r.Context(), level, "api request", attrs...)
}

// traceOf is the id of the trace that a request is in, or empty.
func traceOf(h http.Header) string {
	origin := tracing.Origin{Transport: tracing.Context(h.Get(tracing.Traceparent), "")}
	return origin.TraceID()
}

// requestIDHeader is the request's own id where it has a sane one, else a new
// one.
func requestIDHeader(h http.Header) string {
	id := h.Get(headerRequestID)
	if id == "" || len(id) > maxRequestID {
		return rand.Text()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return rand.Text()
		}
	}
	return id
}
