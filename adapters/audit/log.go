package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Log is a stream that events are added to. It is safe for use by several
// goroutines.
type Log struct {
	mu  sync.Mutex
	out output
	// seq and prev are the number and the digest of the last line.
	seq  int64
	prev string
	// untold is how many events were lost since the last one that was kept.
	untold        uint64
	kept, dropped prometheus.Counter
}

// output is where lines go.
type output interface {
	// ready makes the output ready, and returns the chain that it has since it
	// was ready last, if that is another than was written to it.
	ready() (chain, error)
	// write writes all of the lines or nothing; with sync they are on disk then.
	write(lines []byte, sync bool) error
	io.Closer
}

// Open is a Log that adds to the file at path, or makes it with mode 0600. It
// goes on with the chain that is in it, and only one Log may write to a file. A
// last line that was cut off by a crash is taken away; any other that is broken
// is an error. A file that has maxBytes is moved to path with the ending .1, in
// place of what was there; zero lets it grow.
func Open(path string, maxBytes int64) (*Log, error) {
	l := newLog(&file{path: path, max: maxBytes})
	if err := l.ready(); err != nil {
		return nil, fmt.Errorf("opening audit file: %w", err)
	}
	return l, nil
}

// To is a Log that writes to w, with a chain of its own.
func To(w io.Writer) *Log { return newLog(stream{w}) }

func newLog(out output) *Log {
	return &Log{
		out: out,
		kept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_audit_events_total", Help: "Events of the audit that were written.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mooring_audit_dropped_total", Help: "Events of the audit that could not be written.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (l *Log) Describe(out chan<- *prometheus.Desc) { l.kept.Describe(out); l.dropped.Describe(out) }

// Collect implements prometheus.Collector.
func (l *Log) Collect(out chan<- prometheus.Metric) { l.kept.Collect(out); l.dropped.Collect(out) }

// Append writes events as the next lines, and unless all of them were denied,
// returns once they are on disk: whoever may do nothing shall not keep the disk
// busy. Where the file was moved away, it makes a new one, which goes on with
// the chain. After an error none of the lines is there, and the next event that
// is kept tells how many are missing.
func (l *Log) Append(events ...Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	told := slices.Clone(events)
	told[0].Dropped += l.untold
	if err := l.append(told); err != nil {
		l.lose(uint64(len(events)))
		return fmt.Errorf("writing audit: %w", err)
	}
	l.untold = 0
	l.kept.Add(float64(len(events)))
	return nil
}

// Lose notes events that could not even be handed to Append. The next that is
// kept tells of them.
func (l *Log) Lose(events uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose(events)
}

func (l *Log) lose(events uint64) {
	l.untold += events
	l.dropped.Add(float64(events))
}

// Failing reports whether the last events were lost.
func (l *Log) Failing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.untold > 0
}

func (l *Log) append(events []Event) error {
	if err := l.ready(); err != nil {
		return err
	}
	seq, prev := l.seq, l.prev
	var lines []byte
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		e.Time = e.Time.UTC()
		seq++
		text, err := json.Marshal(link{e, seq, prev})
		if err != nil {
			return err
		}
		var line []byte
		line, prev = seal(text)
		lines = append(lines, line...)
	}
	allowed := func(e Event) bool { return e.Verdict != Denied }
	if err := l.out.write(lines, slices.ContainsFunc(events, allowed)); err != nil {
		return err
	}
	l.seq, l.prev = seq, prev
	return nil
}

// ready makes the output ready. A file that has nothing yet goes on with the
// chain of the one before.
func (l *Log) ready() error {
	found, err := l.out.ready()
	if err == nil && found.lines > 0 {
		l.seq, l.prev = found.last, found.hash
	}
	return err
}

// Close closes the output.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.Close(); err != nil {
		return fmt.Errorf("closing audit: %w", err)
	}
	return nil
}

// stream is an output that somebody else keeps.
type stream struct{ io.Writer }

func (stream) ready() (chain, error) { return chain{}, nil }
func (stream) Close() error          { return nil }

func (s stream) write(lines []byte, _ bool) error {
	_, err := s.Write(lines)
	return err
}
