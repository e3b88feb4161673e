package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters/launch/mask"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/lease"
	"github.com/mooring-mcp/mooring/bridge/internal/logfile"
)

// errStopped ends the parts of the bridge when it was told to stop.
var errStopped = errors.New("stopped")

// run serves until a signal tells it to stop, and returns when everything that
// it started is gone.
func run(ctx context.Context, cfg Config, environ []string, signals <-chan os.Signal) error {
	out, closeLog, err := logOutput(cfg)
	if err != nil {
		return err
	}
	defer closeLog()
	secrets := secretsOf(cfg, environ)
	log := logging.New(out, "bridge", cfg.LogLevel, secrets.Attr)
	if cfg.Adapter != "" {
		log.Logger = log.With(logging.Adapter, cfg.Adapter)
	}
	return log.While(func() error { return work(ctx, cfg, environ, signals, secrets, log) })
}

// work is run with its log.
func work(ctx context.Context, cfg Config, environ []string, signals <-chan os.Signal, secrets *mask.Mask, logs *logging.Log) error {
	log := logs.Logger
	for _, dir := range []string{cfg.StateDir, cfg.WorkDir} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	reg, gatherer := newRegistry(cfg.Adapter)
	state := &health.Health{Mask: secrets}
	serve, err := newBackend(cfg, environ, state, reg, log)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, cfg.Listen)
	if err != nil {
		return err
	}
	log.Info("bridge serves", "listen", shownAddress(cfg.Listen))

	g, ctx := errgroup.WithContext(ctx)
	for _, part := range serve.parts {
		g.Go(func() error { return part(ctx) })
	}
	g.Go(func() error { return serveHTTP(ctx, listener, newMux(cfg, serve, state, gatherer, logs), log) })
	g.Go(func() error { return obey(ctx, signals, cfg.DrainTimeout, serve, state, log) })
	if cfg.Lease != "" {
		g.Go(func() error { return lease.Lease{Path: cfg.Lease, Log: log}.Run(ctx) })
	}
	if err := g.Wait(); !errors.Is(err, errStopped) {
		return err
	}
	log.Info("bridge ends")
	return nil
}

// shownAddress is the address as it stands in the log, which everybody may read
// who may use the adapter: a socket's path would tell of the machine.
func shownAddress(listen string) string {
	if strings.HasPrefix(listen, "unix:") {
		return "unix"
	}
	return listen
}

func logOutput(cfg Config) (out io.Writer, closeLog func(), err error) {
	if cfg.LogFile == "" {
		return os.Stderr, func() {}, nil
	}
	file, err := logfile.Open(cfg.LogFile, int64(cfg.LogMaxBytes))
	if err != nil {
		return nil, nil, err
	}
	// Nothing can be done about an error at this point, and nothing is buffered.
	return file, func() { _ = file.Close() }, nil
}

func newRegistry(adapter string) (prometheus.Registerer, prometheus.Gatherer) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if adapter == "" {
		return reg, reg
	}
	return prometheus.WrapRegistererWith(prometheus.Labels{"adapter": adapter}, reg), reg
}

// obey turns signals into the end of the bridge: at once, or when nobody uses it
// any more.
func obey(ctx context.Context, signals <-chan os.Signal, drainTimeout time.Duration, serve *backend, state *health.Health, log *slog.Logger) error {
	select {
	case <-ctx.Done():
		return nil
	case sig := <-signals:
		if sig == os.Interrupt {
			return errStopped
		}
	}
	state.Drain()
	log.Info("draining", "sessions", serve.load().Sessions, "timeout", drainTimeout.String())
	timeout := time.NewTimer(drainTimeout)
	defer timeout.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		if serve.load() == (health.Load{}) {
			return errStopped
		}
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			return errStopped
		case <-timeout.C:
			log.Warn("ending with sessions open", "sessions", serve.load().Sessions)
			serve.mcp.leave(ctx, signals)
			return errStopped
		case <-look.C:
		}
	}
}

// serveHTTP serves until ctx ends; requests get a moment to be answered then.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		// Longer than Envoy keeps a connection (an hour), so that it is never this
		// side that closes one just as a request comes.
		IdleTimeout:    2 * time.Hour,
		MaxHeaderBytes: 64 << 10,
		BaseContext:    func(net.Listener) context.Context { return base },
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(base, time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			cut()
			_ = server.Close()
		}
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	<-stopped
	return nil
}
