// Package shared lets many sessions of the legacy era use one server process,
// for servers that keep nothing between requests. Each session gets what looks
// like a process of its own; ids and progress tokens are made unique towards the
// real one. The process is initialised once, as a client without capabilities:
// a question of the server could not be put to the right user. Messages that
// belong to no request reach nobody, but for changes of lists and of resources,
// which concern everybody and who subscribed.
package shared

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/queue"
)

// Child is a server process, as mcphttp knows it.
type Child interface {
	Send(message []byte) error
	Receive() (message []byte, cut bool, err error)
	Stop()
	Ending() (how string, first bool)
}

// errEnded: the process, or this session's part in it, has ended.
var errEnded = errors.New("the shared server process has ended")

// hello is how the process is initialised.
const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"mooring-bridge","version":"1"}}}`

// Pool hands out parts of one process.
type Pool struct {
	start    func() (Child, error)
	lifetime time.Duration
	log      *slog.Logger

	mu  sync.Mutex
	now *process
}

// NewPool returns a Pool of processes that start starts, one at a time. One that
// is older than lifetime gets no further part, and ends with those that it has:
// their sessions are bounded in the same way. Zero means no bound.
func NewPool(start func() (Child, error), lifetime time.Duration, log *slog.Logger) *Pool {
	return &Pool{start: start, lifetime: lifetime, log: log}
}

// Join returns a part of the process, which is started when there is none, or
// only one that is too old.
func (p *Pool) Join() (*Part, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil && (p.lifetime == 0 || time.Since(p.now.born) <= p.lifetime) {
		if part := p.now.join(); part != nil {
			return part, nil
		}
	}
	child, err := p.start()
	if err != nil {
		return nil, err
	}
	p.now = newProcess(child, p.log)
	part := p.now.join()
	// It ends with the child, which ends with its last part.
	go p.now.run()
	return part, nil
}

// process is one real process, with those who use it.
type process struct {
	child Child
	born  time.Time
	log   *slog.Logger
	done  chan struct{} // closed when it has ended
	told  atomic.Bool   // a session was told how

	mu      sync.Mutex
	ended   bool // it takes no more sessions
	gone    bool // it has ended by itself
	asks    int64
	parts   map[*Part]bool
	calls   map[jsonrpc.ID]*call
	result  []byte  // of initialize, once it was answered
	refusal []byte  // the error that it was answered with instead
	waiting []*call // initialize requests that came before that
}

// call is one request of a part.
type call struct {
	part  *Part
	id    []byte // as the client wrote it
	token []byte
	key   jsonrpc.ID // by the client's id, for cancellation
}

func newProcess(child Child, log *slog.Logger) *process {
	return &process{
		child: child, born: time.Now(), log: log, done: make(chan struct{}),
		parts: make(map[*Part]bool), calls: make(map[jsonrpc.ID]*call),
	}
}

func (p *process) join() *Part {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	part := &Part{p: p, queue: queue.New(), subscribed: make(map[string]bool)}
	p.parts[part] = true
	return part
}

// run hands out what the process says until it ends.
func (p *process) run() {
	defer close(p.done)
	// An error shows as the end of what it says.
	_ = p.child.Send([]byte(hello))
	for {
		line, cut, err := p.child.Receive()
		if err != nil {
			break
		}
		p.receive(line, cut)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.gone = true, true
	for part := range p.parts {
		part.queue.Close()
	}
}

func (p *process) receive(line []byte, cut bool) {
	if cut {
		rawID, kind := jsonrpc.PartialID(line)
		if kind != jsonrpc.Response {
			return
		}
		line = jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, "the server's answer is too long to be passed on")
	}
	line = jsonrpc.OneLine(line)
	m, err := jsonrpc.ParseLenient(line)
	switch {
	case err != nil:
		p.log.Warn("server wrote no JSON-RPC message", "error", err, "bytes", len(line))
	case m.Kind == jsonrpc.Response && m.ID == "0":
		p.initialized(m, line)
	case m.Kind == jsonrpc.Response:
		p.answer(m, line)
	case m.Kind == jsonrpc.Request:
		// Without an answer the server would wait. It is written by another
		// goroutine, since this one must go on reading.
		reply := jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeNoMethod, "the client cannot be asked: it shares the server with others")
		if m.Method == "ping" {
			reply = jsonrpc.ResultResponse(m.RawID, []byte("{}"))
		}
		go func() { _ = p.child.Send(reply) }()
	default:
		p.notify(m, line)
	}
}

// initialized answers all who have asked for it.
func (p *process) initialized(m jsonrpc.Message, line []byte) {
	if !m.Failed {
		_ = p.child.Send([]byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Failed {
		p.refusal = line
	} else {
		p.result = m.At.Result.Of(line)
	}
	for _, c := range p.waiting {
		c.part.deliver(p.greeting(c.id))
	}
	p.waiting = nil
}

// greeting answers an initialize request. p.mu is held.
func (p *process) greeting(rawID []byte) []byte {
	if p.refusal != nil {
		m, err := jsonrpc.ParseLenient(p.refusal)
		if err == nil {
			return jsonrpc.Rewrite(p.refusal, jsonrpc.Edit{At: m.At.ID, With: rawID})
		}
	}
	return jsonrpc.ResultResponse(rawID, p.result)
}

func (p *process) answer(m jsonrpc.Message, line []byte) {
	p.mu.Lock()
	c := p.calls[m.ID]
	delete(p.calls, m.ID)
	p.mu.Unlock()
	if c != nil {
		c.part.deliver(jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.ID, With: c.id}))
	}
}

// notify finds out whom a notification is for.
func (p *process) notify(m jsonrpc.Message, line []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case jsonrpc.MethodProgress:
		if c := p.calls[m.ProgressToken]; c != nil && len(c.token) > 0 {
			c.part.deliver(jsonrpc.Rewrite(line, jsonrpc.Edit{At: m.At.ProgressToken, With: c.token}))
		}
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed":
		for part := range p.parts {
			part.deliver(line)
		}
	case "notifications/resources/updated":
		uri := uriOf(m, line)
		for part := range p.parts {
			if part.subscribed[uri] {
				part.deliver(line)
			}
		}
	case jsonrpc.MethodMessage:
		// With one request in flight there is only one that it can be about.
		if len(p.calls) == 1 {
			for _, c := range p.calls {
				c.part.deliver(line)
			}
		}
	}
}

func uriOf(m jsonrpc.Message, line []byte) string {
	var params struct {
		URI string `json:"uri"`
	}
	if m.At.Params == (jsonrpc.Span{}) || json.Unmarshal(m.At.Params.Of(line), &params) != nil {
		return ""
	}
	return params.URI
}
