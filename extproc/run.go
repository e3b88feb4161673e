package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/limit"
	"github.com/mooring-mcp/mooring/extproc/internal/server"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
	"github.com/mooring-mcp/mooring/extproc/internal/spans"
	"github.com/mooring-mcp/mooring/extproc/internal/traffic"
)

// grace is how long requests being judged may take once the end is asked for.
const grace = 5 * time.Second

// run serves until ctx ends.
func run(ctx context.Context, cfg Config, logs *logging.Log) error {
	log := logs.Logger
	ring, err := openRing(keys.Session, cfg.SessionKeys, cfg.SessionJWKS, log)
	if err != nil {
		return err
	}
	limiter := limit.New(time.Now)
	reg := newRegistry(ring)
	judge, keep, err := openJudge(ctx, cfg, ring, limiter, reg, log)
	if err != nil {
		return err
	}
	processor := server.New(judge, inspect.New(inspect.Limits{Bytes: cfg.MaxBodyBytes}), cfg.MaxBodyPause, reg, log)
	meter := traffic.New(traffic.Config{Dropped: processor.Forget}, reg)
	processor.Opened = meter.Opened
	if processor.Tracer, err = openTraces(reg); err != nil {
		return err
	}
	kept, err := openTrail(cfg, reg, log)
	if err != nil {
		return err
	}
	written, err := openLines(cfg, reg, log)
	if err != nil {
		return err
	}

	calls, ops, err := listenAll(cfg)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// What is told until the very end is kept too.
	logged, end := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return kept.Run(logged) })
	group.Go(func() error { return written.Run(logged) })
	group.Go(func() error { return processor.Tracer.Run(logged) })
	group.Go(func() error { return ring.Run(ctx) })
	for _, task := range keep {
		group.Go(func() error { return task(ctx) })
	}
	group.Go(func() error {
		defer end()
		requests := accesslog.Each{meter, kept, written, spans.New(processor.Tracer)}
		return serveCalls(ctx, calls, cfg.MaxBodyBytes, processor, accesslog.New(limiter, requests, ctx.Done()))
	})
	group.Go(func() error { return meter.Run(ctx) })
	group.Go(func() error { return serveOps(ctx, ops, opsHandler(reg, logs, meter.Forget)) })
	log.Info("serving", "socket", cfg.Socket, "signing_key", ring.SigningKeyID())
	return group.Wait()
}

// openJudge is who decides, and what keeps what that takes current until its
// context ends.
func openJudge(ctx context.Context, cfg Config, ring *keys.Ring, limiter *limit.Limiter, reg prometheus.Registerer, log *slog.Logger) (*decide.Judge, []func(context.Context) error, error) {
	origins, err := decide.Origins(cfg.PublicURL, cfg.Listen)
	if err != nil {
		return nil, nil, err
	}
	who, keepIdentity, err := openIdentity(cfg, log)
	if err != nil {
		return nil, nil, err
	}
	identities, keepKeys, err := openIdentities(cfg, reg, log)
	if err != nil {
		return nil, nil, err
	}
	keepAPIKeys, err := followAPIKeys(ctx, cfg, reg, log)
	if err != nil {
		return nil, nil, err
	}
	return &decide.Judge{
		Authenticator: who,
		Sessions:      session.NewCodec(ring, cfg.SessionTTL, time.Now),
		Origins:       origins,
		MaxBody:       cfg.MaxBodyBytes,
		Limiter:       limiter,
		Defaults:      cfg.defaults(),
		Identities:    identities,
		Exchanger:     newExchanger(who),
	}, []func(context.Context) error{keepIdentity, keepKeys, keepAPIKeys}, nil
}

func newRegistry(ring *keys.Ring) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), keyAge("mooring_session_key_age_seconds", "sessions", ring))
	return reg
}

// openTraces opens what makes spans, by OpenTelemetry's environment variables; nil
// where those say nothing.
func openTraces(reg prometheus.Registerer) (*tracing.Tracer, error) {
	settings, err := otlp.FromEnvironment()
	if err != nil {
		return nil, err
	}
	return tracing.Open(settings, tracing.Part{Name: "extproc", Behind: true}, reg)
}

// serveCalls serves ext_proc and gRPC health until ctx ends, and lets requests
// that are being judged come to their end.
func serveCalls(ctx context.Context, listeners []net.Listener, maxBody int64, processor *server.Server, log *accesslog.Server) error {
	s, err := newCallServer(maxBody)
	if err != nil {
		return err
	}
	extprocv3.RegisterExternalProcessorServer(s, processor)
	log.Register(s)
	healthv1.RegisterHealthServer(s, health.NewServer())
	var serving errgroup.Group
	for _, listener := range listeners {
		serving.Go(func() error { return s.Serve(listener) })
	}
	ended := make(chan error, 1)
	go func() { ended <- serving.Wait() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving ext_proc: %w", err)
	case <-ctx.Done():
	}
	hard := time.AfterFunc(grace, s.Stop)
	defer hard.Stop()
	s.GracefulStop()
	return <-ended
}

// serveOps serves what only operators see, until ctx ends.
func serveOps(ctx context.Context, listener net.Listener, handler http.Handler) error {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving operations: %w", err)
	case <-ctx.Done():
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("ending operations: %w", err)
	}
	<-ended
	return nil
}

func opsHandler(reg *prometheus.Registry, logs *logging.Log, forget func(adapter string)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(logging.LevelPath, logs)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	// The control plane knows which adapters are no more.
	mux.HandleFunc("DELETE "+contract.PathSeries+"{adapter}", func(w http.ResponseWriter, r *http.Request) {
		forget(r.PathValue("adapter"))
		w.WriteHeader(http.StatusNoContent)
	})
	// Alive is ready: all that it needs is there before it listens.
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// keyAge tells how old the key is that signs, by a ring for that.
func keyAge(name, what string, ring *keys.Ring) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: name,
		Help: "Age of the key that signs " + what + ".",
	}, func() float64 { return time.Since(ring.SigningKeyMade()).Seconds() })
}
