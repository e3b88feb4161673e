// Package lines writes a line of JSON for each request that Envoy's access log
// tells of, with the keys of the programs' logs. No request, no log and no count
// waits for it: where the output is blocked, lines are dropped and counted. It
// refuses to know how entries come.
package lines

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

const (
	// collected is how much is written at once, if it comes before every is over.
	collected = 64 << 10
	every     = 250 * time.Millisecond
	// maxWaiting bounds what waits to be written, some 6,000 lines. As much may be
	// on its way at the same time.
	maxWaiting = 4 << 20
	// lastWrite is how long what is left at the end may take.
	lastWrite = time.Second
)

// Lines writes lines. It is safe for use by several goroutines.
type Lines struct {
	out     io.Writer
	log     *slog.Logger
	dropped prometheus.Counter
	// full says that there is enough to be written at once.
	full chan struct{}

	mu      sync.Mutex
	waiting []byte
	count   int // of lines in waiting
}

// Dropped makes the metric of lines that are lost, which is there where none are
// written too.
func Dropped(reg prometheus.Registerer) prometheus.Counter {
	dropped := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mooring_access_log_lines_dropped_total",
		Help: "Lines of the access log that could not be written, or not in time.",
	})
	reg.MustRegister(dropped)
	return dropped
}

// New makes Lines that write to out while they run, whole ones at a time, and
// count in dropped what is lost.
func New(out io.Writer, dropped prometheus.Counter, log *slog.Logger) *Lines {
	return &Lines{out: out, log: log, dropped: dropped, full: make(chan struct{}, 1)}
}

// Take takes an entry, and does not wait. Requests that have not ended have no
// line.
func (l *Lines) Take(entry *accesslog.Entry) {
	if entry.Open {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= maxWaiting {
		l.dropped.Inc()
		return
	}
	l.waiting = appendLine(l.waiting, entry)
	l.count++
	if len(l.waiting) >= collected {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// Run writes what is taken until ctx ends, and then what is left, if that takes no
// longer than a second.
func (l *Lines) Run(ctx context.Context) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.write(ctx)
	}()
	<-ctx.Done()
	late := time.NewTimer(lastWrite)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
		// Nothing can end a write that is blocked but the end of the process.
	}
	return nil
}

// write writes until ctx ends, and what waits then.
func (l *Lines) write(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var spare []byte
	failing := false
	for ended := false; !ended; {
		select {
		case <-l.full:
		case <-tick.C:
		case <-ctx.Done():
			ended = true
		}
		text, count := l.swap(spare)
		spare = text[:0]
		if count == 0 {
			continue
		}
		_, err := l.out.Write(text)
		if err != nil {
			l.dropped.Add(float64(count))
		}
		if err != nil && !failing {
			l.log.Error("the access log cannot be written", "error", err)
		}
		failing = err != nil
	}
}

// swap takes what waits, and leaves spare for what comes.
func (l *Lines) swap(spare []byte) (text []byte, count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, count = l.waiting, l.count
	l.waiting, l.count = spare, 0
	return text, count
}
