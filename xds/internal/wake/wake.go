// Package wake holds requests to adapters of which no replica serves, and wakes
// those that sleep. It proxies nothing: once a replica serves and Envoys know it,
// it answers that nobody has got the request, and Envoy sends it there. Who may
// call an adapter was judged before; the package knows no caller.
package wake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

const (
	// comeAgain is what clients are told to wait that were not served, in seconds.
	comeAgain = 5
	// maxBody is far above what Envoy sends of a request: it is read and forgotten,
	// since a client's end is seen only after it.
	maxBody = 16 << 20
)

// Loop knows which adapters can be called; *snapshot.Loop is one.
type Loop interface {
	Reach(name string) (r snapshot.Reach, ok bool)
	Changes(ctx context.Context) <-chan struct{}
}

// Config is what a Waker works with. All fields but Log are required.
type Config struct {
	Loop Loop
	// Wake makes sure that the adapter of that name does not sleep. It is asked
	// again and again while requests are held, and costs little when there is
	// nothing to do.
	Wake func(ctx context.Context, name string) error
	// Timeout bounds how long a request is held.
	Timeout time.Duration
	// Most bounds how many are held at a time, and MostOfOne those of one adapter.
	Most, MostOfOne int
	Registerer      prometheus.Registerer
	// Log is told of adapters that are woken. Nil means that nobody is.
	Log *slog.Logger
}

// Waker is an http.Handler of requests that are to be held.
type Waker struct {
	cfg     Config
	metrics *metrics

	mu sync.Mutex
	// ctx is Run's, nil while that does not work.
	ctx    context.Context
	held   int
	groups map[string]*group
	// watches are the groups' goroutines.
	watches sync.WaitGroup
}

// New returns a Waker that holds nothing until Run.
func New(cfg Config) (*Waker, error) {
	if cfg.Timeout <= 0 || cfg.Most < 1 || cfg.MostOfOne < 1 {
		return nil, errors.New("requests can be held only with a time and numbers that bound that")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Waker{cfg: cfg, metrics: newMetrics(cfg.Registerer), groups: map[string]*group{}}, nil
}

// Before serves the requests that Envoy wants held, and leaves all others to next.
// No client can send one like them: Envoy gives the name of the host to none, and
// takes internal headers from all.
func (w *Waker) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		if r.Host == contract.HostWaker && r.Header.Get(launch.HeaderAdapter) != "" {
			w.ServeHTTP(to, r)
			return
		}
		next.ServeHTTP(to, r)
	})
}

// Run lets requests be held until ctx ends. Those that are held then are sent on:
// another control plane holds them. It is to be called once.
func (w *Waker) Run(ctx context.Context) error {
	w.mu.Lock()
	w.ctx = ctx
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	w.watches.Wait()
	return nil
}

// ServeHTTP implements http.Handler.
func (w *Waker) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(to, r.Body, maxBody)); err != nil {
		w.metrics.count(resultGone)
		// Who has gone sees nothing of it, and all others sent too much.
		to.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	name := r.Header.Get(launch.HeaderAdapter)
	reach, known := w.cfg.Loop.Reach(name)
	switch {
	case !adapters.ValidName(name) || !known || !reach.Wanted:
		w.metrics.count(resultUnknown)
		refuse(to, "no replica of this adapter is ready; see its status", "")
		return
	case reach.Serves && reach.Programmed:
		w.metrics.count(resultServed)
		sendAgain(to)
		return
	case reach.Serves:
	case r.Method == http.MethodDelete:
		// A session that no replica has need not be started for its end.
		w.metrics.count(resultEnded)
		to.WriteHeader(http.StatusNoContent)
		return
	case !reach.FailedSince.IsZero() && time.Since(reach.FailedSince) > w.cfg.Timeout:
		w.metrics.count(resultFailed)
		refuse(to, "no replica of this adapter can start", reach.Reason)
		return
	}
	g, ctx := w.join(name)
	switch {
	case ctx == nil:
		w.metrics.count(resultMoved)
		sendAgain(to)
		return
	case g == nil:
		w.metrics.count(resultFull)
		refuse(to, "too many requests wait for this adapter's replicas to start", "")
		return
	}
	defer w.leave(name, g)
	w.hold(ctx, g, to, r)
}

// hold answers r once the adapter of g is there, or will not be in time.
func (w *Waker) hold(ctx context.Context, g *group, to http.ResponseWriter, r *http.Request) {
	timeout := time.NewTimer(w.cfg.Timeout)
	defer timeout.Stop()
	select {
	case <-g.there:
		w.metrics.count(resultServed)
		sendAgain(to)
	case <-ctx.Done():
		w.metrics.count(resultMoved)
		sendAgain(to)
	case <-r.Context().Done():
		w.metrics.count(resultGone)
	case <-timeout.C:
		w.metrics.count(resultTimeout)
		reach, _ := w.cfg.Loop.Reach(g.name)
		refuse(to, "the adapter is waking up, and was not ready in time", reach.Reason)
	}
}

// sendAgain makes Envoy send the request again.
func sendAgain(to http.ResponseWriter) {
	to.Header().Set(launch.HeaderUnsent, "1")
	refuse(to, "the adapter is waking up", "")
}

// refuse answers as servers of adapters do.
func refuse(to http.ResponseWriter, message, reason string) {
	if reason != "" {
		message += ": " + reason
	}
	to.Header().Set("Content-Type", "application/json")
	to.Header().Set("Retry-After", strconv.Itoa(comeAgain))
	to.WriteHeader(http.StatusServiceUnavailable)
	// An error means that the client has gone.
	_, _ = to.Write(errorResponse(message))
}
