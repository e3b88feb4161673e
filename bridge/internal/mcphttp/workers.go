package mcphttp

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// workerKey says who shares a process in the modern era: the requests of one
// principal, or everybody's where processes are shared.
type workerKey struct {
	principal    string
	capabilities string // where the server is bound to those of its client
}

// workers are the processes of the modern era.
type workers struct {
	mu  sync.Mutex // held while a process is started
	all map[workerKey]*worker
}

// worker returns the process for r's principal, which it starts where there is none.
// The caller must call its leave.
func (h *Handler) worker(r *http.Request, m jsonrpc.Message, capabilities []byte) (*worker, *refusal) {
	key := workerKey{principal: r.Header.Get(launch.HeaderPrincipal)}
	if h.cfg.Shared {
		key.principal = ""
	}
	if h.cfg.Bound != nil {
		key.capabilities = h.cfg.Bound(capabilities)
	}
	h.workers.mu.Lock()
	defer h.workers.mu.Unlock()
	if wk := h.workers.all[key]; wk != nil && wk.enter() {
		return wk, nil
	}
	wk, ref := h.startWorker(key, h.log(r, m))
	if ref != nil {
		return nil, ref
	}
	h.workers.all[key] = wk
	wk.enter()
	go func() {
		defer h.wg.Done()
		wk.run()
	}()
	return wk, nil
}

// startWorker starts a process, and says in log why it cannot. workers.mu is held.
func (h *Handler) startWorker(key workerKey, log *slog.Logger) (*worker, *refusal) {
	if why, ok := h.cfg.Admit(); !ok {
		return nil, busy(5, why).again()
	}
	h.mu.Lock()
	switch {
	case !h.running:
		h.mu.Unlock()
		return nil, busy(5, endStopped.message).again()
	case len(h.sessions)+h.births+len(h.workers.all) >= h.cfg.MaxSessions:
		h.mu.Unlock()
		return nil, h.metrics.refused(limitProcesses, busy(10, "this server has as many processes as it may have").again())
	}
	h.wg.Add(1)
	h.mu.Unlock()
	child, err := h.cfg.StartModern([]byte(key.capabilities))
	if err != nil {
		h.wg.Done()
		log.Error("starting a server process", "error", err)
		return nil, busy(5, "the MCP server's process could not be started").again()
	}
	return &worker{
		h: h, key: key, child: child, born: time.Now(), gone: make(chan struct{}),
		calls: make(map[jsonrpc.ID]*call), lastUsed: time.Now(),
	}, nil
}

// dropWorker forgets a worker that has ended.
func (h *Handler) dropWorker(wk *worker) {
	h.workers.mu.Lock()
	defer h.workers.mu.Unlock()
	if h.workers.all[wk.key] == wk {
		delete(h.workers.all, wk.key)
	}
}

func (h *Handler) allWorkers() []*worker {
	h.workers.mu.Lock()
	defer h.workers.mu.Unlock()
	all := make([]*worker, 0, len(h.workers.all))
	for _, wk := range h.workers.all {
		all = append(all, wk)
	}
	return all
}

// worker is one process that answers requests of the modern era, which have
// nothing to do with each other.
type worker struct {
	h     *Handler
	key   workerKey
	child Child
	born  time.Time
	gone  chan struct{} // closed when it has ended
	tools schemas

	mu       sync.Mutex
	ended    bool
	answered bool // it has answered anything
	users    int
	lastUsed time.Time
	asks     int64
	calls    map[jsonrpc.ID]*call // by the id that the server knows
}

// enter notes that a request is served, unless the worker has ended.
func (wk *worker) enter() bool {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	if wk.ended {
		return false
	}
	wk.users++
	return true
}

func (wk *worker) leave() {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	wk.users--
	wk.lastUsed = time.Now()
}

func (wk *worker) inFlight() int {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	return len(wk.calls)
}

// over reports whether nobody has used the worker for as long as idle, or it is
// older than lifetime. What is in flight then keeps it for as long as idle.
func (wk *worker) over(now time.Time, idle, lifetime time.Duration) bool {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	age := now.Sub(wk.born)
	return wk.users == 0 && (now.Sub(wk.lastUsed) > idle || age > lifetime) || age > lifetime+idle
}

// begin makes a call of a request, and returns the line for the server: ids and
// progress tokens of several clients may be equal, so the server gets others.
func (wk *worker) begin(m jsonrpc.Message, line []byte, parent tracing.Span) (*call, []byte, *refusal) {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	switch {
	case wk.ended:
		return nil, nil, busy(1, "the MCP server's process has just ended").again()
	case len(wk.calls) >= wk.h.cfg.MaxInFlight:
		f := refuse(http.StatusTooManyRequests, "too many requests are in flight").with("Retry-After", "1")
		return nil, nil, wk.h.metrics.refused(limitRequests, f)
	}
	wk.asks++
	id, rawID := jsonrpc.Number(wk.asks)
	c := &call{
		msg: m, id: id, started: time.Now(), stream: newStream("", wk.h.cfg.BufferBytes),
		token: m.At.ProgressToken.Of(line),
	}
	wk.calls[id] = c
	return c, jsonrpc.Rewrite(line, append(wk.h.passedOn(c, parent, line),
		jsonrpc.Edit{At: m.At.ID, With: rawID},
		jsonrpc.Edit{At: m.At.ProgressToken, With: rawID})...), nil
}

// take removes the call, if it is still in flight.
func (wk *worker) take(c *call) bool {
	wk.mu.Lock()
	defer wk.mu.Unlock()
	if wk.calls[c.id] != c {
		return false
	}
	delete(wk.calls, c.id)
	return true
}

// cancel ends a call whose client has gone, which is how a client cancels.
func (wk *worker) cancel(c *call, reason string) {
	if !wk.take(c) {
		return
	}
	wk.h.metrics.answered(c, tools.Cancelled)
	// An error means that the process is about to end.
	_ = wk.child.Send(jsonrpc.Call(nil, jsonrpc.MethodCancelled, []byte(`{"requestId":`+string(c.id)+`,"reason":"`+reason+`"}`)))
}

// end ends the worker once, and reports whether this call did it.
func (wk *worker) end(message string) bool {
	wk.mu.Lock()
	if wk.ended {
		wk.mu.Unlock()
		return false
	}
	wk.ended = true
	calls := wk.calls
	wk.calls = nil
	wk.mu.Unlock()
	for _, c := range calls {
		wk.h.metrics.answered(c, tools.Lost)
		c.stream.append(jsonrpc.ErrorResponse(c.msg.RawID, jsonrpc.CodeInternal, message), true)
	}
	close(wk.gone)
	wk.child.Stop()
	return true
}
