// Package probe finds out whether a server command works: it starts it, speaks
// initialize with it and ends it again. The process is thrown away, since
// servers that know both eras of the protocol are bound to the era of the first
// message. What it downloads stays in the caches, so sessions start fast after.
package probe

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// crashLoop is how many sessions in a row must end before they begin for the
// command to be called broken.
const crashLoop = 3

// discoverTimeout is how long a server that answers initialize may take to
// answer server/discover. Some of the legacy era do not answer it at all.
const discoverTimeout = 10 * time.Second

// maxRefusal bounds the characters of a server's error message that are shown.
const maxRefusal = 400

// What the probe says to a server: the first message of each era, to a process
// each.
const initialize = `{"jsonrpc":"2.0","id":"probe","method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"mooring-bridge","version":"1"}}}`

const discover = `{"jsonrpc":"2.0","id":"probe","method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"mooring-bridge","version":"1"}}}}`

// What is asked once the server has answered, in each era.
const (
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	listLegacy  = `{"jsonrpc":"2.0","id":"tools","method":"tools/list"}`
	listModern  = `{"jsonrpc":"2.0","id":"tools","method":"tools/list","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
		`"io.modelcontextprotocol/clientInfo":{"name":"mooring-bridge","version":"1"}}}}`
)

// listTimeout is how long a server that works may take to list its tools. What
// it lists later is learned from what clients ask.
const listTimeout = 3 * time.Second

// Config is what a Prober works with.
type Config struct {
	// Start starts the command. Required.
	Start func() (*stdio.Child, error)
	// StartOffline starts the command so that it fetches nothing from anywhere.
	// Nil means that it cannot be told to.
	StartOffline func() (*stdio.Child, error)
	// Shortcut knows how to start the server without a wrapper around it. Nil
	// means that there is none.
	Shortcut Shortcut
	// Health is told of every change. Required.
	Health *health.Health
	// Timeout is how long the server may take to answer. Zero means 5 min.
	Timeout time.Duration
	// MinBackoff and MaxBackoff bound the time between tries. Zero means 2 s and
	// 60 s.
	MinBackoff, MaxBackoff time.Duration
	// Learn is told of the server's answer to tools/list. Nil means that it is not
	// asked for its tools.
	Learn func(result []byte)
	// NPMLogs is a folder of the prober's own where Start makes npm write its
	// logs. Empty means that they are not read.
	NPMLogs string
	// Log is required.
	Log *slog.Logger
}

// Prober reports the state of a server command, and tries again while it fails.
type Prober struct {
	cfg    Config
	eras   atomic.Pointer[Eras]
	unborn atomic.Int32  // sessions in a row that ended before they began
	again  chan struct{} // receives when there are too many
}

// Eras says which eras of the protocol a server speaks.
type Eras struct{ Legacy, Modern bool }

// Eras is what the server speaks, as of the last probe that it answered. Before
// that it is taken for one of the legacy era.
func (p *Prober) Eras() Eras {
	if known := p.eras.Load(); known != nil {
		return *known
	}
	return Eras{Legacy: true}
}

// New returns a Prober, which does nothing until Run.
func New(cfg Config) *Prober {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Minute
	}
	if cfg.MinBackoff == 0 {
		cfg.MinBackoff = 2 * time.Second
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = time.Minute
	}
	return &Prober{cfg: cfg, again: make(chan struct{}, 1)}
}

// Born takes note of whether a session's server answered initialize. When
// several in a row did not, the command is probed again.
func (p *Prober) Born(ok bool) {
	if ok {
		p.unborn.Store(0)
		return
	}
	p.cfg.Health.Restarted()
	if p.unborn.Add(1) >= crashLoop {
		select {
		case p.again <- struct{}{}:
		default:
		}
	}
}

// Run probes until the command works, and again when sessions show that it does
// not any more, until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	for tries := 0; ctx.Err() == nil; tries++ {
		status := p.once(ctx)
		if ctx.Err() != nil {
			break
		}
		p.cfg.Health.Set(status)
		if status.State == health.Ready {
			p.cfg.Log.Info("server works")
			begin := time.Now()
			p.unborn.Store(0)
			if !p.untilBroken(ctx) {
				break
			}
			if time.Since(begin) > p.cfg.MaxBackoff {
				tries = 0
			}
		} else {
			p.cfg.Log.Error("server does not work", "reason", status.Reason, "detail", status.Message)
		}
		p.cfg.Health.Restarted()
		select {
		case <-ctx.Done():
		case <-time.After(p.backoff(tries)):
		}
	}
	return nil
}

// backoff is how long to wait after so many tries.
func (p *Prober) backoff(tries int) time.Duration {
	return min(p.cfg.MinBackoff<<min(tries, 16), p.cfg.MaxBackoff)
}

// untilBroken waits until sessions show that the command works no more, or
// returns false when ctx ends.
func (p *Prober) untilBroken(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-p.again:
	}
	p.cfg.Log.Warn("server ends again and again before it begins")
	p.cfg.Health.Set(failed(health.ReasonCrashLoop,
		fmt.Sprintf("the servers of the last %d sessions ended before they answered initialize", crashLoop)))
	return true
}
