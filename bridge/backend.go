package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// backend is what serves /mcp: a stdio server or a remote one.
type backend struct {
	mcp  http.Handler
	load func() health.Load
	// parts run until their context ends.
	parts []func(context.Context) error
}

func newBackend(cfg Config, environ []string, state *health.Health, reg prometheus.Registerer, log *slog.Logger) (*backend, error) {
	if cfg.ProxyURL != "" {
		return newRemote(cfg, state, log)
	}
	return newStdio(cfg, environ, state, reg, log)
}

func newRemote(cfg Config, state *health.Health, log *slog.Logger) (*backend, error) {
	u, err := url.Parse(cfg.ProxyURL)
	if err != nil {
		return nil, errors.New("MCP_PROXY_URL is not a valid URL")
	}
	proxy := remote.New(remote.Config{
		URL:             u,
		Policy:          cfg.remotePolicy(),
		EgressFile:      cfg.Policy,
		Forward:         cfg.forwarded(),
		Admit:           state.Admit,
		MaxBody:         int64(cfg.MaxBodyBytes),
		ResponseTimeout: cfg.ResponseTimeout,
		Log:             log,
	})
	return &backend{
		mcp:   proxy,
		load:  func() health.Load { return health.Load{Sessions: proxy.Sessions(), InFlight: proxy.InFlight()} },
		parts: []func(context.Context) error{func(ctx context.Context) error { return proxy.Watch(ctx, state) }},
	}, nil
}

func newStdio(cfg Config, environ []string, state *health.Health, reg prometheus.Registerer, log *slog.Logger) (*backend, error) {
	args, err := launch.SplitArgs(cfg.Args)
	if err != nil {
		return nil, fmt.Errorf("MCP_ARGS: %w", err)
	}
	runner := stdio.NewRunner(stdio.Command{
		Name:    cfg.Command,
		Args:    args,
		Env:     launch.ChildEnvironment(environ, cfg.Instance),
		Dir:     cfg.WorkDir,
		MaxLine: int(cfg.MaxLineBytes),
		Log:     log,
	})
	starts := childMetrics(reg, runner)
	prober := probe.New(probe.Config{
		Start: func() (*stdio.Child, error) {
			starts.WithLabelValues("probe").Inc()
			return runner.Start(probeEnvironment(environ, npmLogs(cfg))...)
		},
		NPMLogs: npmLogs(cfg),
		Health:  state,
		Timeout: cfg.StartTimeout,
		Log:     log,
	})
	servers := &servers{cfg: cfg, runner: runner, eras: prober.Eras, starts: starts, log: log}
	keeper, err := newKeeper(cfg)
	if err != nil {
		return nil, err
	}
	handler := mcphttp.New(mcphttp.Config{
		Recovery:     keeper,
		StartModern:  servers.modern,
		Bound:        servers.bound,
		Shared:       cfg.Process == processShared,
		Start:        servers.sessions(),
		Admit:        state.Admit,
		Born:         prober.Born,
		MaxSessions:  cfg.MaxSessions,
		MaxInFlight:  cfg.MaxInFlight,
		IdleTimeout:  cfg.IdleTimeout,
		StartTimeout: cfg.StartTimeout,
		MaxBody:      int64(cfg.MaxBodyBytes),
		Log:          log,
	}, reg)
	return &backend{
		mcp:   handler,
		load:  func() health.Load { return health.Load{Sessions: handler.Sessions(), InFlight: handler.InFlight()} },
		parts: []func(context.Context) error{runner.Run, prober.Run, handler.Run},
	}, nil
}

// newKeeper returns nil where sessions end with their processes.
func newKeeper(cfg Config) (*recovery.Keeper, error) {
	if cfg.SessionRecovery != recoveryResume || cfg.StateDir == "" {
		return nil, nil
	}
	file := cfg.SealingKey
	if file == "" {
		file = filepath.Join(cfg.StateDir, "sealing.key")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the sealing key: %w", err)
	}
	key, err := keys.SealingKey(file)
	if err != nil {
		return nil, err
	}
	return recovery.Open(key, filepath.Join(cfg.StateDir, "sessions"))
}

// probeEnvironment is what the probe's process gets beside its environment. npm
// hides what the install scripts of packages print, and when one fails it ends
// without a word; with this the reason is seen, and npm's own log is found.
func probeEnvironment(environ []string, npmLogs string) (extra []string) {
	wanted := []string{"npm_config_foreground_scripts=true"}
	if npmLogs != "" {
		wanted = append(wanted, "npm_config_logs_dir="+npmLogs)
	}
	for _, variable := range wanted {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(environ, func(v string) bool {
			return strings.HasPrefix(strings.ToLower(v), name+"=")
		}) {
			extra = append(extra, variable)
		}
	}
	return extra
}

// npmLogs is the folder for npm's logs, or empty where there is no place.
func npmLogs(cfg Config) string {
	if cfg.StateDir == "" {
		return ""
	}
	// Servers may have another working directory. The error would be that this
	// process has none.
	dir, err := filepath.Abs(filepath.Join(cfg.StateDir, "npm-logs"))
	if err != nil {
		return ""
	}
	return dir
}

func childMetrics(reg prometheus.Registerer, runner *stdio.Runner) *prometheus.CounterVec {
	starts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mooring_bridge_child_starts_total",
		Help: "Server processes started, by what for: probe, session, modern.",
	}, []string{"reason"})
	gauge := func(state string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "mooring_bridge_children",
			Help:        "Server processes there are now, by state: running, ending.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(count()) })
	}
	reg.MustRegister(starts, gauge("running", runner.Running), gauge("ending", runner.Ending))
	return starts
}

func newMux(serve *backend, state *health.Health, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", serve.mcp)
	mux.HandleFunc("GET /healthz", health.Live)
	mux.Handle("GET /readyz", state.Serve(serve.load))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
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
