package mcphttp

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// ending says why a session ends: the event that is counted, and what the calls
// in flight are answered with.
type ending struct {
	event   string
	message string
}

var (
	endDeleted     = ending{"closed", "the session was ended by the client"}
	endExpired     = ending{"expired", "the session was idle for too long, or too old"}
	endMoved       = ending{"moved", "the session goes on elsewhere"}
	endStopped     = ending{"closed", "the server is stopping"}
	endUnborn      = ending{"", "the client left before the session began"}
	endSlow        = ending{"", "the server did not answer initialize in time"}
	endUnrecovered = ending{"lost", "the session could not be gone on with"}
	endRefused     = ending{"", "the server refused to initialize"}
)

// keepFinished bounds what a session keeps of streams that are complete, for
// clients that lost the connection just before the end.
const (
	keepFinished      = time.Minute
	keepFinishedCount = 32
	keepFinishedBytes = 1 << 20
)

// maxAsked bounds how many requests of the server may wait for the client.
const maxAsked = 1024

// session is one client's session with one server process.
type session struct {
	id        string
	principal string // who it belongs to, where the gateway says so
	child     Child
	h         *Handler
	born      time.Time
	gone      chan struct{} // closed when it has ended
	general   *stream       // what belongs to no request
	revived   chan struct{} // closed once it can be gone on with, or failure is set; nil for one that was born here

	mu       sync.Mutex
	ended    bool
	ready    bool // initialize was answered
	version  string
	users    int // HTTP requests that are being served
	lastUsed time.Time
	asks     int64                // how many requests were passed on
	pending  map[jsonrpc.ID]*call // by the client's id
	passed   map[jsonrpc.ID]*call // the same by the id that the server knows
	order    []*call              // pending, oldest first
	asked    map[jsonrpc.ID]*stream
	streams  map[string]*stream // that can be resumed
	finished []finished
	notes    recovery.Notes
	edition  recovery.Edition // of notes, as they were written
	looked   time.Time        // when that was compared last
	noted    bool             // notes were written
	buried   bool             // it was ended for good elsewhere
	failure  *refusal         // why it could not be gone on with
}

// call is a client's request that waits for its answer. The server gets it with
// an id of the bridge's own, and the client gets its id back byte for byte:
// servers read numbers as floats, and write large ones differently.
type call struct {
	msg     jsonrpc.Message
	id      jsonrpc.ID // as the server knows it
	stream  *stream
	started time.Time
	set     string // what it sets for the rest of the session
	token   []byte // the progress token as the client wrote it, in the modern era
	code    int    // of the error that it was answered with

	// asked is the span of the call, and serving that of the client's message.
	asked, serving tracing.Span

	// Guarded by the session's mu: whether the client has seen an event, and
	// whether the stream is among the finished.
	streamed, retired bool
}

// finished is a complete stream that is kept for a while.
type finished struct {
	stream *stream
	at     time.Time
}

// randomID is an id that says nothing.
func randomID() string { return rand.Text() }

func newSession(h *Handler, child Child, principal, id string) *session {
	now := time.Now()
	s := &session{
		id: id, principal: principal, child: child, h: h,
		born: now, lastUsed: now, gone: make(chan struct{}),
		general: newStream("0", h.cfg.BufferBytes),
		pending: make(map[jsonrpc.ID]*call),
		passed:  make(map[jsonrpc.ID]*call),
		asked:   make(map[jsonrpc.ID]*stream),
		streams: make(map[string]*stream),
	}
	s.streams[s.general.id] = s.general
	return s
}

// run hands the server's messages to their streams until its process has ended.
func (s *session) run() {
	slow := time.AfterFunc(s.h.cfg.StartTimeout, func() {
		if !s.isReady() {
			s.end(endSlow)
		}
	})
	defer slow.Stop()
	for {
		line, cut, err := s.child.Receive()
		if err != nil {
			break
		}
		s.receive(line, cut)
	}
	how, first := s.child.Ending()
	event := "lost"
	if !s.isReady() {
		event = ""
	}
	if s.end(ending{event, "the MCP server's process " + how + " while it worked on this request, which may or may not have taken effect"}) {
		if first {
			s.log().Warn("server process ended by itself", "how", how, "ready", event != "", "age", time.Since(s.born).Round(time.Millisecond).String())
		}
		if first && event == "" {
			s.h.cfg.Born(false)
		}
	}
}

// end ends the session once, and reports whether this call did it: calls in
// flight are answered, streams are closed, the process is stopped.
func (s *session) end(why ending) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.ended = true
	calls, streams := s.order, s.streams
	s.pending, s.passed, s.order, s.streams, s.asked, s.finished = nil, nil, nil, nil, nil, nil
	s.mu.Unlock()

	s.h.forget(s, why.event)
	for _, c := range calls {
		s.h.metrics.answered(c, tools.Lost)
		c.stream.append(jsonrpc.ErrorResponse(c.msg.RawID, jsonrpc.CodeInternal, why.message), true)
	}
	for _, st := range streams {
		st.finish()
	}
	close(s.gone)
	s.child.Stop()
	return true
}

// enter notes that an HTTP request is served; the returned function that it is
// over.
func (s *session) enter() (leave func()) {
	s.use(1)
	return func() { s.use(-1) }
}

func (s *session) use(delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users += delta
	s.lastUsed = time.Now()
}

// sweep forgets finished streams whose time is over, and reports whether the
// session was idle for that long, or is older than lifetime. Calls that nobody
// waits for any more keep it alive only twice as long, since their answers may
// never come; those in flight at the end of its lifetime for as long as idle.
func (s *session) sweep(now time.Time, idle, lifetime time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.finished) > 0 && now.Sub(s.finished[0].at) > keepFinished {
		s.dropFinished()
	}
	age := now.Sub(s.born)
	if age > lifetime && len(s.pending) == 0 || age > lifetime+idle {
		return true
	}
	if len(s.pending) > 0 {
		idle *= 2
	}
	return s.users == 0 && now.Sub(s.lastUsed) > idle
}

// dropFinished forgets the oldest finished stream. s.mu is held.
func (s *session) dropFinished() {
	delete(s.streams, s.finished[0].stream.id)
	s.finished = s.finished[1:]
}

func (s *session) isReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

func (s *session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *session) protocolVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

func (s *session) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// lookup returns the stream of that id, if it is still kept.
func (s *session) lookup(id string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}
