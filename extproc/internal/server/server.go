// Package server speaks Envoy's ext_proc protocol: it turns its messages into
// the values that decide judges, and decisions into its messages. It makes no
// choice but one: what it does not understand, or cannot do, is refused.
//
// A request takes one round trip. Envoy streams the head and the body without
// waiting for answers; the answer to the head is held back until the whole
// request is judged, and then the gRPC stream ends, which makes Envoy send on
// the body as it came. Only where the answer's head is awaited does the stream
// live on until that has come.
package server

import (
	"log/slog"
	"runtime/debug"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

// Server is the external processor.
type Server struct {
	extprocv3.UnimplementedExternalProcessorServer

	judge     *decide.Judge
	inspector *inspect.Inspector
	policies  *policies
	pause     time.Duration
	metrics   *metrics
	log       *slog.Logger

	// Tracer makes the spans of judgements. Nil makes none.
	Tracer *tracing.Tracer

	// Opened is told of each stream of server messages that is let through: its
	// adapter, and Envoy's id of the request. Nil means nobody.
	Opened func(adapter, request string)
}

// New makes a Server whose metrics are registered with reg. A body that pauses
// for longer than pause is refused; zero lets it.
func New(judge *decide.Judge, inspector *inspect.Inspector, pause time.Duration, reg prometheus.Registerer, log *slog.Logger) *Server {
	return &Server{judge: judge, inspector: inspector, policies: newPolicies(), pause: pause, metrics: newMetrics(reg), log: log}
}

// Process implements the ext_proc service: one call is one HTTP request. An
// error makes Envoy refuse the request.
func (s *Server) Process(stream extprocv3.ExternalProcessor_ProcessServer) (err error) {
	c := &conversation{Server: s, stream: stream}
	defer func() {
		if p := recover(); p != nil {
			c.about("", decide.Metadata{}).Error("panic while judging a request", "panic", p, "stack", string(debug.Stack()))
			s.metrics.failed("panic")
			err = status.Error(codes.Internal, "internal error")
		}
	}()
	policy, err := s.policies.of(stream.Context())
	if err != nil {
		return c.unruled(err)
	}
	return c.run(policy)
}
