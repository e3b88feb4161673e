package translate

import (
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
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
	// States seals what clients are given to come back with for a parked call.
	// Nil means one for this process alone. Modern only.
	States *States
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
	if o.States == nil {
		// Without a key there is nothing that could be wrong with it.
		o.States, _ = NewStates(nil)
	}
	if len(o.Capabilities) == 0 {
		o.Capabilities = []byte("{}")
	}
	return o
}

// Modern is a server of the legacy era that looks like one of the modern era. As
// with any Child, Receive must be called until it returns an error.
type Modern struct {
	side
	process string // unlike that of any other process

	// All under mu.
	server  *initialized
	refusal []byte               // the error that initialize was answered with
	early   []early              // what came before the server was ready
	calls   map[jsonrpc.ID]*call // by the id that the server knows
	parked  map[string]*call     // by name
	listens map[jsonrpc.ID]*listen
	watched map[string]int // how many listens want each resource
	level   string         // what the server logs from
}

// NewModern returns the child in the modern era. The child must be fresh.
func NewModern(child Child, opts Options) *Modern {
	t := &Modern{
		process: rand.Text(),
		calls:   make(map[jsonrpc.ID]*call),
		parked:  make(map[string]*call),
		listens: make(map[jsonrpc.ID]*listen),
		watched: make(map[string]int),
	}
	t.init(child, opts)
	return t
}

// early is a message that came before the server was ready.
type early struct {
	user    string
	message []byte
}

// Receive implements Child.
func (t *Modern) Receive() (message []byte, cut bool, err error) { return t.next(t.run) }

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
	t.read(t.receive)
}

// request is ask without the id.
func (t *Modern) request(method string, params []byte, then func(m jsonrpc.Message, line []byte)) []byte {
	line, _ := t.ask(method, params, then)
	return line
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
	for _, e := range early {
		if err := t.SendFor(e.user, e.message); err != nil {
			t.opts.Log.Debug("a request could not be passed on", "error", err)
		}
	}
}

// receive translates one message of the server.
func (t *Modern) receive(m jsonrpc.Message, line []byte) {
	switch m.Kind {
	case jsonrpc.Response:
		t.mu.Lock()
		then := t.answered(m.ID)
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
