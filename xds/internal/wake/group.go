package wake

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// askAgain is how often it is made sure that an adapter is awake, while
	// requests are held for it.
	askAgain = time.Second
	// askTimeout bounds that, since nothing else is seen meanwhile.
	askTimeout = 5 * time.Second
	// slowEnvoy is how long Envoys have to take a replica that serves. Those that
	// have not by then try for some seconds by themselves.
	slowEnvoy = 2 * time.Second
)

// group are the requests that are held for one adapter.
type group struct {
	name    string
	members int
	// there is closed once the adapter can be called.
	there chan struct{}
	// end ends the group's watch.
	end context.CancelFunc
}

// join makes a request one of those that are held for the adapter, until the
// context ends. There is no group where no more may be held, and no context where
// none may.
func (w *Waker) join(name string) (*group, context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.groups[name]
	if w.ctx == nil || w.held >= w.cfg.Most || g != nil && g.members >= w.cfg.MostOfOne {
		return nil, w.ctx
	}
	if g == nil {
		ctx, end := context.WithCancel(w.ctx)
		g = &group{name: name, there: make(chan struct{}), end: end}
		w.groups[name] = g
		w.watches.Go(func() { w.watch(ctx, g) })
	}
	g.members++
	w.held++
	w.metrics.held.Set(float64(w.held))
	return g, w.ctx
}

// leave ends what join began.
func (w *Waker) leave(name string, g *group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.members--
	w.held--
	w.metrics.held.Set(float64(w.held))
	if g.members == 0 {
		g.end()
		w.part(name, g)
	}
}

// part lets later requests be another group's. The caller holds w.mu.
func (w *Waker) part(name string, g *group) {
	if w.groups[name] == g {
		delete(w.groups, name)
	}
}

// watch keeps the adapter awake until it can be called, or nobody waits for it any
// more.
func (w *Waker) watch(ctx context.Context, g *group) {
	defer g.end()
	began := time.Now()
	changes := w.cfg.Loop.Changes(ctx)
	ask := time.NewTicker(askAgain)
	defer ask.Stop()
	w.wake(ctx, g)
	var served time.Time
	for {
		reach, _ := w.cfg.Loop.Reach(g.name)
		switch {
		case !reach.Serves:
			served = time.Time{}
		case served.IsZero():
			served = time.Now()
		}
		if reach.Serves && (reach.Programmed || time.Since(served) >= slowEnvoy) {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-ask.C:
			w.wake(ctx, g)
		}
	}
	took := time.Since(began)
	w.metrics.took.Observe(took.Seconds())
	w.cfg.Log.InfoContext(ctx, "requests are sent on: a replica serves", "adapter", g.name, "after", took)
	w.mu.Lock()
	w.part(g.name, g)
	w.mu.Unlock()
	close(g.there)
}

func (w *Waker) wake(ctx context.Context, g *group) {
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := w.cfg.Wake(bounded, g.name); err != nil && ctx.Err() == nil {
		w.cfg.Log.WarnContext(ctx, "adapter cannot be woken", "adapter", g.name, "error", err)
	}
}

// internalError is the code of JSON-RPC.
const internalError = -32603

// errorResponse is a JSON-RPC error without an id: requests are not read.
func errorResponse(message string) []byte {
	type fault struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	text, err := json.Marshal(struct {
		Version string  `json:"jsonrpc"`
		ID      *string `json:"id"`
		Error   fault   `json:"error"`
	}{Version: "2.0", Error: fault{internalError, message}})
	if err != nil {
		panic("wake: strings cannot fail to marshal: " + err.Error())
	}
	return text
}
