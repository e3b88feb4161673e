// Package trail keeps the audit of MCP messages: it makes an event of each entry
// of Envoy's access log, and has it written. It judges nothing, and no request
// waits for it.
package trail

import (
	"context"
	"log/slog"
	"sync/atomic"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/audit"
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
	// Append keeps events, or none of them.
	Append(events ...audit.Event) error
}

// Trail writes events to a Log. It is safe for use by several goroutines.
type Trail struct {
	to     Log
	log    *slog.Logger
	events chan audit.Event
	// untold is how many events were dropped since the last one that was kept.
	untold  atomic.Uint64
	kept    prometheus.Counter
	dropped prometheus.Counter
}

// New makes a Trail that writes to to.
func New(to Log, reg prometheus.Registerer, log *slog.Logger) *Trail {
	t := &Trail{
		to: to, log: log, events: make(chan audit.Event, maxQueue),
		kept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_audit_events_total", Help: "Events of the audit of MCP messages that were written.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_audit_dropped_total", Help: "Events of the audit of MCP messages that could not be written.",
		}),
	}
	reg.MustRegister(t.kept, t.dropped)
	return t
}

// Take takes an entry, and does not wait.
func (t *Trail) Take(entry *dataaccesslogv3.HTTPAccessLogEntry) {
	event, is := eventOf(entry)
	if !is {
		return
	}
	select {
	case t.events <- event:
	default:
		t.lose(1)
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
	untold := t.untold.Swap(0)
	events[0].Dropped = untold
	if err := t.to.Append(events...); err != nil {
		t.untold.Add(untold)
		t.lose(len(events))
		t.log.Error("the audit cannot be kept", "events", len(events), "error", err)
		return
	}
	t.kept.Add(float64(len(events)))
}

func (t *Trail) lose(events int) {
	t.untold.Add(uint64(events))
	t.dropped.Add(float64(events))
}
