package translate

import (
	"log/slog"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/queue"
)

// Options say how a server is translated.
type Options struct {
	// Capabilities are the client's, as Bound returns them. Modern only.
	Capabilities []byte
	// Shared says that users share the process: a question of the server that
	// could be about several requests is refused then. Modern only.
	Shared bool
	// StartTimeout is how long the server may take to answer its first message.
	// Zero means 5 min.
	StartTimeout time.Duration
	// ParkTimeout is how long a call waits for the answers of its client. Zero
	// means 10 min. Modern only.
	ParkTimeout time.Duration
	// Log is required.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.StartTimeout == 0 {
		o.StartTimeout = 5 * time.Minute
	}
	if o.ParkTimeout == 0 {
		o.ParkTimeout = 10 * time.Minute
	}
	if len(o.Capabilities) == 0 {
		o.Capabilities = []byte("{}")
	}
	return o
}

// Modern is a server of the legacy era that looks like one of the modern era. As
// with any Child, Receive must be called until it returns an error.
type Modern struct {
	child Child
	opts  Options
	out   *queue.Queue
	begin sync.Once

	mu      sync.Mutex
	server  *initialized
	refusal []byte   // the error that initialize was answered with
	early   [][]byte // what came before the server was ready
	asks    int      // requests of this side's own
	mine    map[jsonrpc.ID]func(m jsonrpc.Message, line []byte)
	calls   map[jsonrpc.ID]*call // by the id that the server knows
	parked  map[string]*call     // by request state
	listens map[jsonrpc.ID]*listen
	watched map[string]int // how many listens want each resource
	level   string         // what the server logs from
}

// NewModern returns the child in the modern era. The child must be fresh.
func NewModern(child Child, opts Options) *Modern {
	return &Modern{
		child: child, opts: opts.withDefaults(), out: queue.New(),
		mine:    make(map[jsonrpc.ID]func(jsonrpc.Message, []byte)),
		calls:   make(map[jsonrpc.ID]*call),
		parked:  make(map[string]*call),
		listens: make(map[jsonrpc.ID]*listen),
		watched: make(map[string]int),
	}
}

// Stop implements Child.
func (t *Modern) Stop() { t.child.Stop() }

// Ending implements Child.
func (t *Modern) Ending() string { return t.child.Ending() }

// Receive implements Child.
func (t *Modern) Receive() (message []byte, cut bool, err error) {
	t.begin.Do(func() { go t.run() })
	message, ok := t.out.Next()
	if !ok {
		return nil, false, errEnded
	}
	return message, false, nil
}

// run initialises the server, and translates what it says until it ends.
func (t *Modern) run() {
	defer t.out.Close()
	defer t.forgetParked()
	slow := time.AfterFunc(t.opts.StartTimeout, t.child.Stop)
	defer slow.Stop()
	t.mu.Lock()
	hello := t.request(jsonrpc.MethodInitialize, []byte(`{"protocolVersion":"`+legacyVersion+`","capabilities":`+string(t.opts.Capabilities)+
		`,"clientInfo":{"name":"mooring-bridge","version":"1"}}`), func(m jsonrpc.Message, line []byte) {
		slow.Stop()
		t.greet(m, line)
	})
	t.mu.Unlock()
	// An error shows as the end of what the server says.
	_ = t.child.Send(hello)
	for {
		line, cut, err := t.child.Receive()
		if err != nil {
			return
		}
		if cut {
			rawID, kind := jsonrpc.PartialID(line)
			if kind != jsonrpc.Response {
				continue
			}
			line = jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, "the server's answer is too long to be passed on")
		}
		line = jsonrpc.OneLine(line)
		m, err := jsonrpc.ParseLenient(line)
		if err != nil {
			t.opts.Log.Warn("server wrote no JSON-RPC message", "error", err, "bytes", len(line))
			continue
		}
		t.receive(m, line)
	}
}

// request makes a request of this side's own, whose answer goes to then, which
// is called without t.mu. t.mu is held.
func (t *Modern) request(method string, params []byte, then func(m jsonrpc.Message, line []byte)) []byte {
	t.asks++
	// A string, so that it is never one of the numbers of passed requests.
	rawID := ownID(t.asks)
	t.mine[jsonrpc.ID(rawID[:len(rawID)-1])] = then
	return jsonrpc.Call(rawID, method, params)
}

// greet takes note of the server's answer to initialize, and sends it what has
// waited for that.
func (t *Modern) greet(m jsonrpc.Message, line []byte) {
	t.mu.Lock()
	if m.Failed {
		t.refusal = line
	} else {
		server := parseInitialized(m, line)
		t.server = &server
	}
	early := t.early
	t.early = nil
	t.mu.Unlock()
	if !m.Failed {
		_ = t.child.Send(jsonrpc.Call(nil, "notifications/initialized", nil))
	}
	for _, message := range early {
		if err := t.Send(message); err != nil {
			t.opts.Log.Debug("a request could not be passed on", "error", err)
		}
	}
}

// receive translates one message of the server.
func (t *Modern) receive(m jsonrpc.Message, line []byte) {
	switch m.Kind {
	case jsonrpc.Response:
		t.mu.Lock()
		then := t.mine[m.ID]
		delete(t.mine, m.ID)
		t.mu.Unlock()
		if then != nil {
			then(m, line)
			return
		}
		t.answer(m, line)
	case jsonrpc.Request:
		t.asked(m, line)
	default:
		t.notify(m, line)
	}
}

// send writes to the server from where the server is read: by a goroutine of
// its own, since the server may not read before it is read.
func (t *Modern) send(message []byte) {
	// An error means that it is about to end.
	go func() { _ = t.child.Send(message) }()
}
