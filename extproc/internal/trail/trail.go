// Package trail keeps the audit of MCP messages: it makes an event of each entry
// of Envoy's access log, and has it written. It judges nothing, and no request
// waits for it.
package trail

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

const (
	// maxQueue bounds the events that wait to be written. Further ones are
	// dropped, and counted.
	maxQueue = 32 << 10
	// maxBatch bounds the events that are written at once.
	maxBatch = 1 << 10
)

// Log keeps events. *audit.Log is one.
type Log interface {
	// Append keeps events, or loses all of them.
	Append(events ...audit.Event) error
	// Lose notes events that were lost before.
	Lose(events uint64)
}

// Trail writes events to a Log. It is safe for use by several goroutines.
type Trail struct {
	to     Log
	log    *slog.Logger
	events chan audit.Event
	// lost is how many found no place in the queue since the last that were
	// written.
	lost atomic.Uint64
}

// New makes a Trail that writes to to.
func New(to Log, log *slog.Logger) *Trail {
	return &Trail{to: to, log: log, events: make(chan audit.Event, maxQueue)}
}

// Take takes an entry, and does not wait.
func (t *Trail) Take(entry *accesslog.Entry) {
	event, is := eventOf(entry)
	if !is {
		return
	}
	select {
	case t.events <- event:
	default:
		t.lost.Add(1)
	}
}

// Run writes what is taken until ctx ends, and then what is left.
func (t *Trail) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			for len(t.events) > 0 {
				t.write(<-t.events)
			}
			return nil
		case event := <-t.events:
			t.write(event)
		}
	}
}

// write writes first and what else waits. The more there is, the fewer times the
// disk is waited for.
func (t *Trail) write(first audit.Event) {
	events := []audit.Event{first}
	for len(events) < maxBatch && len(t.events) > 0 {
		events = append(events, <-t.events)
	}
	if lost := t.lost.Swap(0); lost > 0 {
		t.to.Lose(lost)
	}
	if err := t.to.Append(events...); err != nil {
		t.log.Error("the audit cannot be kept", "events", len(events), "error", err)
	}
}
