package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

// backend is what serves /mcp: a stdio server or a remote one.
type backend struct {
	mcp  *gate
	load func() health.Load
	// parts run until their context ends.
	parts []func(context.Context) error
}

func newBackend(cfg Config, environ []string, state *health.Health, reg prometheus.Registerer, log *slog.Logger) (*backend, error) {
	calls := tools.NewMeter(reg)
	state.Tools = calls.List
	tracer, err := openTraces(cfg, environ, reg)
	if err != nil {
		return nil, err
	}
	build := newStdio
	if cfg.ProxyURL != "" {
		build = newRemote
	}
	b, err := build(cfg, environ, state, calls, tracer, reg, log)
	if err != nil {
		return nil, err
	}
	b.parts = append(b.parts, tracer.Run)
	return b, nil
}

// openTraces opens what makes spans, by the variables that are meant for the
// bridge, which behind a gateway are not the server's.
func openTraces(cfg Config, environ []string, reg prometheus.Registerer) (*tracing.Tracer, error) {
	alone := cfg.Instance == ""
	settings, err := otlp.Read(otlp.Own(environ, alone))
	if err != nil {
		return nil, err
	}
	return tracing.Open(settings, tracing.Part{Name: "bridge", Adapter: cfg.Adapter, Instance: cfg.Instance, Behind: !alone}, reg)
}

func newStdio(cfg Config, environ []string, state *health.Health, calls *tools.Meter, tracer *tracing.Tracer, reg prometheus.Registerer, log *slog.Logger) (*backend, error) {
	args, err := launch.SplitArgs(cfg.Args)
	if err != nil {
		return nil, fmt.Errorf("MCP_ARGS: %w", err)
	}
	launcher := newLauncher(cfg, args, environ, log)
	probing := launcher.probing(cfg, state)
	probing.Learn = calls.Learn
	prober := probe.New(probing)
	keeper, states, err := sealed(cfg)
	if err != nil {
		return nil, err
	}
	servers := &servers{cfg: cfg, launcher: launcher, eras: prober.Eras, states: states, log: log}
	handler := mcphttp.New(mcphttp.Config{
		Recovery:     keeper,
		StartModern:  servers.modern,
		Bound:        servers.bound,
		Shared:       cfg.Process == processShared,
		Start:        servers.sessions(),
		Admit:        state.Admit,
		Born:         prober.Born,
		Tools:        calls,
		MaxSessions:  cfg.MaxSessions,
		MaxInFlight:  cfg.MaxInFlight,
		IdleTimeout:  cfg.IdleTimeout,
		Lifetime:     cfg.SessionLifetime,
		StartTimeout: cfg.StartTimeout,
		MaxBody:      int64(cfg.MaxBodyBytes),
		Tracer:       tracer,
		Adapter:      cfg.Adapter,
		Log:          log,
	}, reg)
	launcher.keepSpares(cfg.Spares, room(cfg, state, handler.Processes))
	launcher.measure(reg)
	return &backend{
		mcp:   &gate{next: handler},
		load:  func() health.Load { return health.Load{Sessions: handler.Sessions(), InFlight: handler.InFlight()} },
		parts: []func(context.Context) error{launcher.runner.Run, prober.Run, handler.Run, launcher.spares.Run},
	}, nil
}

// sealed returns what makes session ids, nil where sessions end with their
// processes, and what makes request states.
func sealed(cfg Config) (*recovery.Keeper, *translate.States, error) {
	key, err := sealingKey(cfg)
	if err != nil {
		return nil, nil, err
	}
	states, err := translate.NewStates(key)
	if err != nil || cfg.SessionRecovery != recoveryResume || cfg.StateDir == "" {
		return nil, states, err
	}
	dir := cfg.SessionsDir
	if dir == "" {
		dir = filepath.Join(cfg.StateDir, "sessions")
	}
	keeper, err := recovery.Open(key, dir)
	return keeper, states, err
}

// sealingKey is the adapter's key, nil where there is no place for one.
func sealingKey(cfg Config) ([]byte, error) {
	file := cfg.SealingKey
	switch {
	case file != "":
	case cfg.StateDir != "":
		file = filepath.Join(cfg.StateDir, "sealing.key")
	default:
		return nil, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the sealing key: %w", err)
	}
	return keys.SealingKey(file)
}

func newMux(cfg Config, serve *backend, state *health.Health, metrics prometheus.Gatherer, logs *logging.Log) http.Handler {
	mux := http.NewServeMux()
	if strings.HasPrefix(cfg.Listen, "unix:") {
		// Only who may use the socket may change what is logged.
		mux.Handle(logging.LevelPath, logs)
	}
	mux.Handle("/mcp", serve.mcp)
	mux.HandleFunc("GET /healthz", health.Live)
	mux.Handle("GET /readyz", state.Serve(serve.load))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

// listen opens the address to serve at. A socket that nobody serves any more is
// replaced; it is for this user only.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("opening the listener: %w", err)
		}
		return l, nil
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening the listener: another process serves at %s", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("opening the listener: %w", err)
		}
	}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the listener: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the listener: %w", err), l.Close())
	}
	return l, nil
}
