// Package logging writes the logs of the programs: lines of JSON with the same
// keys in all of them, from a level on that can be changed at any time. A line is
// written by nobody who waits for it: where the output is blocked, lines are
// dropped and counted, and no request is late. It refuses to know what lines say.
package logging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// Keys of what lines are about, the same in every program and in Envoy's access
// log. What does not apply is absent.
const (
	// Part is the program: xds, extproc, bridge or envoy.
	Part = "part"
	// RequestID is that of X-Request-Id.
	RequestID = "request_id"
	// Adapter is its name.
	Adapter = "adapter"
	// Principal and Session are hashes.
	Principal = "principal"
	Session   = "session"
	// Method and Tool are those of MCP.
	Method = "method"
	Tool   = "tool"
	// TraceID and SpanID are those of OpenTelemetry.
	TraceID = "trace_id"
	SpanID  = "span_id"
)

// SessionHash stands for a session in logs and traces, where its id must not show:
// 16 hex characters of the id that the server gave, which every part knows that a
// request of the session passes. No two sessions have the same: ids of sessions
// are to be globally unique and hard to guess. An empty id has none.
//
// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
func SessionHash(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

const (
	// maxWaiting is how many lines may wait to be written.
	maxWaiting = 4096
	// lastWrite is how long lines that are left at the end may take.
	lastWrite = time.Second
)

// Log is where a program's lines go.
type Log struct {
	// Logger takes them. Every line has the part.
	*slog.Logger
	// Level is the least that is written. It may be set at any time.
	Level *slog.LevelVar

	out     io.Writer
	waiting chan []byte
	dropped atomic.Uint64
	told    uint64 // of dropped; of Run alone
}

// New is a Log of the part that writes to out, from level on, once it runs.
// Replace may change what lines say; nil changes nothing.
func New(out io.Writer, part string, level slog.Level, replace func(groups []string, a slog.Attr) slog.Attr) *Log {
	l := &Log{Level: new(slog.LevelVar), out: out, waiting: make(chan []byte, maxWaiting)}
	l.Level.Set(level)
	l.Logger = slog.New(slog.NewJSONHandler(queue{l}, &slog.HandlerOptions{Level: l.Level, ReplaceAttr: present(replace)})).With(Part, part)
	return l
}

// present leaves out what is empty of the keys above, and otherwise does what next
// does.
func present(next func([]string, slog.Attr) slog.Attr) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case RequestID, Adapter, Principal, Session, Method, Tool, TraceID, SpanID:
			if a.Value.Kind() == slog.KindString && a.Value.String() == "" {
				return slog.Attr{}
			}
		}
		if next == nil {
			return a
		}
		return next(groups, a)
	}
}

// Dropped is how many lines were dropped.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// queue is the end that lines are put in at.
type queue struct{ log *Log }

// Write implements io.Writer. It never waits, and always succeeds.
func (q queue) Write(line []byte) (int, error) {
	select {
	case q.log.waiting <- append([]byte(nil), line...):
	default:
		q.log.dropped.Add(1)
	}
	return len(line), nil
}

// While writes lines while work runs, and returns its error. Lines that are left
// then are written if that takes no longer than a second.
func (l *Log) While(work func() error) error {
	ctx, end := context.WithCancel(context.Background())
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.run(ctx)
	}()
	err := work()
	end()
	late := time.NewTimer(lastWrite)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
		// Nothing can end a write that is blocked but the end of the process.
	}
	return err
}

// run writes until ctx ends, and what waits then.
func (l *Log) run(ctx context.Context) {
	for {
		select {
		case line := <-l.waiting:
			l.write(line)
			continue
		default:
		}
		select {
		case line := <-l.waiting:
			l.write(line)
		case <-ctx.Done():
			for len(l.waiting) > 0 {
				l.write(<-l.waiting)
			}
			return
		}
	}
}

// write writes a line, and after lines were dropped, how many. There is nobody to
// tell that a line cannot be written.
func (l *Log) write(line []byte) {
	_, _ = l.out.Write(line)
	if dropped := l.dropped.Load(); dropped != l.told {
		l.told = dropped
		l.Warn("lines of this log were dropped: its output was blocked", "lines", dropped)
	}
}
