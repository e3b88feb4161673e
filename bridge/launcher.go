package main

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/direct"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/spare"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// launcher starts server processes: ahead of their use, and without npx or uvx
// around them, where it can.
type launcher struct {
	runner *stdio.Runner
	// base is the environment of the command, and extra what the probe's process
	// gets beside it.
	base, extra []string
	wrapper     direct.Wrapper
	wrapped     bool // the command is one that direct knows
	found       *direct.Program
	program     atomic.Pointer[direct.Program] // nil means the command as it is
	spares      *spare.Pool[*stdio.Child]
	starts      *prometheus.CounterVec
	log         *slog.Logger
}

// newLauncher returns a launcher that starts processes once its runner runs.
func newLauncher(cfg Config, args, environ []string, log *slog.Logger) *launcher {
	base := launch.ChildEnvironment(environ, cfg.Instance)
	l := &launcher{
		runner: stdio.NewRunner(stdio.Command{
			Name: cfg.Command, Args: args, Env: base, Dir: cfg.WorkDir, MaxLine: int(cfg.MaxLineBytes), LogLines: cfg.ServerLogLines, Log: log,
			Mask: secretsOf(cfg, environ),
		}),
		base: base, extra: probeEnvironment(environ, npmLogs(cfg)),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mooring_bridge_child_starts_total",
			Help: "Server processes started, by what for: probe, spare, session, modern.",
		}, []string{"reason"}),
		log: log,
	}
	if cfg.Direct == directAuto {
		l.wrapper, l.wrapped = direct.Recognize(cfg.Command, args, base)
	}
	return l
}

// keepSpares says how many spares are wanted, and how many there may be.
func (l *launcher) keepSpares(want int, room func() int) {
	l.spares = spare.New(spare.Config[*stdio.Child]{
		Start: func() (*stdio.Child, error) { return l.start("spare") },
		Room:  room, Want: want, Log: l.log,
	})
}

// probing is how the command is probed.
func (l *launcher) probing(cfg Config, state *health.Health) probe.Config {
	p := probe.Config{Start: l.probe, NPMLogs: npmLogs(cfg), Health: state, Timeout: cfg.StartTimeout, Log: l.log}
	if l.wrapped {
		p.Shortcut, p.StartOffline = l, l.probeOffline
	}
	return p
}

// take returns a process that nobody has written to: a spare, or a new one that
// is counted for that reason.
func (l *launcher) take(reason string) (*stdio.Child, error) {
	if child, ok := l.spares.Take(); ok {
		return child, nil
	}
	return l.start(reason)
}

// start starts a process of the server.
func (l *launcher) start(reason string) (*stdio.Child, error) {
	l.starts.WithLabelValues(reason).Inc()
	p := l.program.Load()
	if p == nil {
		return l.runner.Start()
	}
	if err := p.Check(); err != nil {
		l.log.Warn("server runs within its wrapper again", "reason", err)
		l.program.CompareAndSwap(p, nil)
		return l.runner.Start()
	}
	return l.runner.StartProgram(p.Program)
}

// probe starts a process of the command as it is, for the probe.
func (l *launcher) probe() (*stdio.Child, error) {
	l.starts.WithLabelValues("probe").Inc()
	return l.runner.Start(l.extra...)
}

// probeOffline is probe without anything being fetched.
func (l *launcher) probeOffline() (*stdio.Child, error) {
	l.starts.WithLabelValues("probe").Inc()
	return l.runner.Start(slices.Concat(l.extra, l.wrapper.Offline)...)
}

// Find implements probe.Shortcut.
func (l *launcher) Find(child *stdio.Child) func() (*stdio.Child, error) {
	p, err := l.wrapper.Find(child, l.base, slices.Concat(l.extra, l.wrapper.Offline))
	if err != nil {
		l.log.Info("the server's own program is not known", "reason", err)
		return nil
	}
	l.found = &p
	return func() (*stdio.Child, error) {
		l.starts.WithLabelValues("probe").Inc()
		return l.runner.StartProgram(p.Program)
	}
}

// Use implements probe.Shortcut.
func (l *launcher) Use(found bool) {
	if !found {
		l.program.Store(nil)
		return
	}
	l.program.Store(l.found)
	l.log.Info("server runs without its wrapper")
}

// measure registers what there is to know of the processes.
func (l *launcher) measure(reg prometheus.Registerer) {
	gauge := func(state string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "mooring_bridge_children",
			Help:        "Server processes there are now, by state: running, spare, ending.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(count()) })
	}
	takes := func(found string, count func() int) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "mooring_bridge_spares_wanted_total",
			Help:        "Processes wanted for a session or a user, by whether a spare was there: hit, miss.",
			ConstLabels: prometheus.Labels{"result": found},
		}, func() float64 { return float64(count()) })
	}
	reg.MustRegister(l.starts,
		gauge("running", func() int { return max(0, l.runner.Running()-l.spares.Len()) }),
		gauge("spare", l.spares.Len), gauge("ending", l.runner.Ending),
		takes("hit", func() int { n, _ := l.spares.Counts(); return n }),
		takes("miss", func() int { _, n := l.spares.Counts(); return n }))
}

// room says how many spares there may be: none while no session could begin, or
// after nobody has used the server for the idle time, and never so many that a
// session finds no place.
func room(cfg Config, state *health.Health, processes func() int) func() int {
	lastUsed := time.Now()
	return func() int {
		used := processes()
		if _, ok := state.Admit(); !ok || used > 0 {
			lastUsed = time.Now()
			if !ok {
				return 0
			}
		}
		if cfg.Process == processShared || time.Since(lastUsed) > cfg.IdleTimeout {
			return 0
		}
		return cfg.MaxSessions - used
	}
}
