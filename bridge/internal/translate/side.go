package translate

import (
	"sync"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/queue"
)

// side is what both ways of translation are made of: a process, and the messages
// that its translation says.
type side struct {
	child Child
	opts  Options
	out   *queue.Queue
	begin sync.Once

	mu   sync.Mutex
	asks int // requests of this side's own
	mine map[jsonrpc.ID]func(m jsonrpc.Message, line []byte)
}

func (s *side) init(child Child, opts Options) {
	s.child, s.opts, s.out = child, opts.withDefaults(), queue.New()
	s.mine = make(map[jsonrpc.ID]func(jsonrpc.Message, []byte))
}

// Stop implements Child.
func (s *side) Stop() { s.child.Stop() }

// Ending implements Child.
func (s *side) Ending() (how string, first bool) { return s.child.Ending() }

// next is Receive; run is begun with the first.
func (s *side) next(run func()) (message []byte, cut bool, err error) {
	s.begin.Do(func() { go run() })
	message, ok := s.out.Next()
	if !ok {
		return nil, false, errEnded
	}
	return message, false, nil
}

// read hands each message of the server to take, until it ends.
func (s *side) read(take func(m jsonrpc.Message, line []byte)) {
	for {
		line, cut, err := s.child.Receive()
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
			s.opts.Log.Warn("server wrote no JSON-RPC message", "error", err, "bytes", len(line))
			continue
		}
		take(m, line)
	}
}

// send writes to the server from where the server is read: by a goroutine of
// its own, since the server may not read before it is read.
func (s *side) send(message []byte) {
	// An error means that it is about to end.
	go func() { _ = s.child.Send(message) }()
}

// ownID is a fresh id of this side's own, as it is written: a string, so that it
// is never one of the numbers of passed requests. s.mu is held.
func (s *side) ownID() (rawID []byte, id jsonrpc.ID) {
	s.asks++
	rawID = ownID(s.asks)
	return rawID, jsonrpc.ID(rawID[:len(rawID)-1])
}

// ask makes a request of this side's own, whose answer goes to then, which is
// called without s.mu. s.mu is held.
func (s *side) ask(method string, params []byte, then func(m jsonrpc.Message, line []byte)) (line, rawID []byte) {
	rawID, id := s.ownID()
	s.mine[id] = then
	return jsonrpc.Call(rawID, method, params), rawID
}

// answered is what waits for the response, which is not waited for any more. s.mu
// is held.
func (s *side) answered(id jsonrpc.ID) func(m jsonrpc.Message, line []byte) {
	then := s.mine[id]
	delete(s.mine, id)
	return then
}
