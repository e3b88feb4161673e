// Package mcphttp is the HTTP side of the bridge: it speaks MCP's streamable
// HTTP with clients and hands their messages, byte for byte, to server
// processes. It knows sessions, streams and which message belongs where; it
// does not know how processes are made, and looks at messages only as far as
// package jsonrpc does, so that methods and fields it has never heard of pass.
//
// It serves both eras of the protocol, with processes of their own: the legacy
// one (2025-03-26 to 2025-11-25) with one process per session, the modern one
// with one per user (modern.go, worker.go). Which era a request is of is decided
// in era.go.
package mcphttp

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// Child is one server process. Receive is called by one goroutine only.
type Child interface {
	// Send writes one message of one line. It returns within bounded time.
	Send(message []byte) error
	// Receive returns the next message; cut says that it is only the beginning
	// of one that was too long. After Stop, or when the process ended by itself,
	// it returns an error once everything is over.
	Receive() (message []byte, cut bool, err error)
	// Stop begins the end of the process and returns at once.
	Stop()
	// Ending says how the process ended, as a clause that clients may read, and
	// whether nobody was told before, as it is where several share a process. It
	// is called once, after Receive returned an error.
	Ending() (how string, first bool)
}

// Config is what a Handler works with.
type Config struct {
	// Start starts a server process. Required.
	Start func() (Child, error)
	// StartModern starts a server process that speaks the modern era over stdio,
	// for a client with these capabilities (JSON, as Bound returned them; empty
	// where Bound is nil). Nil means that requests of that era are refused in a
	// way that makes clients fall back.
	StartModern func(capabilities []byte) (Child, error)
	// ServesModern reports whether StartModern can be used now. Nil means always.
	ServesModern func() bool
	// Bound returns the part of a client's capabilities (JSON) that a process is
	// bound to, so that clients with others get another one. Nil means none.
	Bound func(capabilities []byte) string
	// Recovery makes session ids by which a session can be gone on with after its
	// process has ended, or another bridge had it. Nil means that sessions end
	// with their processes.
	Recovery *recovery.Keeper
	// Shared says that requests of all users may go to the same process.
	Shared bool
	// Admit reports whether new sessions may be born, and if not, says why in a
	// sentence for clients. Nil means always.
	Admit func() (refusal string, ok bool)
	// Born is told of each session whether its server answered initialize
	// (true), or ended by itself before it did. Nil means nobody.
	Born func(ok bool)
	// Tools counts calls of tools, and learns what tools there are. Nil means that
	// the Handler has its own, with New's registerer.
	Tools *tools.Meter
	// Elsewhere is how many sessions there are that others serve, for the gauge of
	// open sessions. Nil means none.
	Elsewhere func() int
	// MaxSessions is how many sessions there may be. Zero means 100.
	MaxSessions int
	// MaxInFlight is how many requests of one session may be unanswered. Zero
	// means 256.
	MaxInFlight int
	// IdleTimeout ends a session with nothing in flight and no open stream. Zero
	// means 30 min.
	IdleTimeout time.Duration
	// Lifetime ends a process however much it is used, once nothing of it is in
	// flight, or IdleTimeout later. With Recovery its session goes on with a new
	// one. Zero means 24 h.
	Lifetime time.Duration
	// StartTimeout is how long a server may take to answer initialize. Zero
	// means 5 min.
	StartTimeout time.Duration
	// MaxBody is the longest message from a client in bytes. Zero means 4 MiB.
	MaxBody int64
	// PatienceJSON is how long a request may wait for its first message before
	// the answer becomes an event stream, which can be kept alive and resumed.
	// Zero means 5 s.
	PatienceJSON time.Duration
	// KeepAlive is the time between comments on a silent stream. Zero means
	// 15 s.
	KeepAlive time.Duration
	// Retry is how long clients are told to wait before they resume a stream.
	// Zero means 1 s.
	Retry time.Duration
	// BufferBytes bounds what one stream keeps for replay. Zero means 1 MiB.
	BufferBytes int
	// Tracer makes the spans of messages, and Adapter is the adapter's name in them.
	// Nil makes none.
	Tracer  *tracing.Tracer
	Adapter string
	// Transport is how servers are reached, in spans: tcp or pipe. Empty means pipe.
	Transport string
	// Log is required.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Admit == nil {
		c.Admit = func() (string, bool) { return "", true }
	}
	if c.ServesModern == nil {
		c.ServesModern = func() bool { return c.StartModern != nil }
	}
	if c.Elsewhere == nil {
		c.Elsewhere = func() int { return 0 }
	}
	if c.Born == nil {
		c.Born = func(bool) {}
	}
	setDefault(&c.Transport, "pipe")
	setDefault(&c.MaxSessions, 100)
	setDefault(&c.MaxInFlight, 256)
	setDefault(&c.IdleTimeout, 30*time.Minute)
	setDefault(&c.Lifetime, 24*time.Hour)
	setDefault(&c.StartTimeout, 5*time.Minute)
	setDefault(&c.MaxBody, 4<<20)
	setDefault(&c.PatienceJSON, 5*time.Second)
	setDefault(&c.KeepAlive, 15*time.Second)
	setDefault(&c.Retry, time.Second)
	setDefault(&c.BufferBytes, 1<<20)
	return c
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// Handler serves MCP at whatever path it is mounted. It births sessions only
// while Run runs.
type Handler struct {
	cfg     Config
	metrics *metrics

	starting sync.Mutex // held while the process of a session is started
	mu       sync.Mutex
	sessions map[string]*session
	births   int // slots taken by sessions that are about to be
	running  bool

	workers workers
	swept   time.Time // when notes on old sessions were removed; of sweep only

	streams atomic.Uint64 // how many there were
	begun   string        // begins the names of all streams of this handler
	name    string        // by which others know that it holds a session
	wg      sync.WaitGroup
}

// New returns a Handler whose metrics are registered with reg.
func New(cfg Config, reg prometheus.Registerer) *Handler {
	h := &Handler{cfg: cfg.withDefaults(), sessions: make(map[string]*session), running: true, begun: strings.ToLower(rand.Text()[:6]), name: rand.Text()}
	h.workers.all = make(map[workerKey]*worker)
	if h.cfg.Tools == nil {
		h.cfg.Tools = tools.NewMeter(reg)
	}
	h.metrics = newMetrics(reg, h.cfg.Tools, func() int { return h.Sessions() + h.cfg.Elsewhere() }, h.InFlight)
	return h
}

// Run ends idle sessions until ctx ends, then all, and returns when their
// processes are gone.
func (h *Handler) Run(ctx context.Context) error {
	tick := time.NewTicker(min(max(h.cfg.IdleTimeout/20, 10*time.Millisecond), keepFinished/4))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h.sweep(now)
		case <-ctx.Done():
			h.mu.Lock()
			h.running = false
			h.mu.Unlock()
			for _, s := range h.all() {
				s.end(endStopped)
			}
			for _, wk := range h.allWorkers() {
				wk.end(endStopped.message)
			}
			h.wg.Wait()
			return nil
		}
	}
}

// Sessions is how many sessions there are, those about to be born included.
func (h *Handler) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions) + h.births
}

// Processes is how many server processes sessions and users have, those about to
// be started included.
func (h *Handler) Processes() int {
	h.workers.mu.Lock()
	defer h.workers.mu.Unlock()
	return h.Sessions() + len(h.workers.all)
}

// SessionEvent counts what happened to a session that another part serves:
// started, recovered, closed or lost.
func (h *Handler) SessionEvent(event string) { h.metrics.session(event) }

// InFlight is how many requests wait for their answer, in all sessions.
func (h *Handler) InFlight() int {
	n := 0
	for _, s := range h.all() {
		n += s.inFlight()
	}
	for _, wk := range h.allWorkers() {
		n += wk.inFlight()
	}
	return n
}

func (h *Handler) all() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*session, 0, len(h.sessions))
	for _, s := range h.sessions {
		all = append(all, s)
	}
	return all
}

func (h *Handler) sweep(now time.Time) {
	for _, s := range h.all() {
		switch {
		case s.sweep(now, h.cfg.IdleTimeout, h.cfg.Lifetime):
			s.end(endExpired)
		case s.inFlight() == 0 && s.isElsewhere(now):
			s.end(endMoved)
		}
	}
	if h.cfg.Recovery != nil && now.Sub(h.swept) > time.Hour {
		h.swept = now
		if err := h.cfg.Recovery.Sweep(now); err != nil {
			h.cfg.Log.Warn("old notes on sessions are left", "error", err)
		}
	}
	for _, wk := range h.allWorkers() {
		if wk.over(now, h.cfg.IdleTimeout, h.cfg.Lifetime) {
			wk.end(endExpired.message)
		}
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if ref := checkHost(r); ref != nil {
		h.refused(w, r, jsonrpc.Message{}, ref)
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.post(w, r)
	case http.MethodGet:
		h.get(w, r)
	case http.MethodDelete:
		h.delete(w, r)
	default:
		h.refused(w, r, jsonrpc.Message{}, refuse(http.StatusMethodNotAllowed, "only POST, GET and DELETE are allowed here").
			with("Allow", "POST, GET, DELETE"))
	}
}
