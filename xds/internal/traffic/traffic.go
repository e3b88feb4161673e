// Package traffic measures the adapters' requests: it reads the metrics of every
// external processor again and again, and keeps what they gained in the last
// minutes; and it reads what each Envoy sends to servers, to know when an adapter
// was last in use. It tells processors which adapters are no more. What it could
// not read it does not know, and it never guesses.
package traffic

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	// window is how far back a summary goes.
	window = 5 * time.Minute
	// every is the time between two readings, unless reading takes more than one
	// part in share of it, but no more than longest; and between two looks which
	// Envoys there are.
	every   = 5 * time.Second
	share   = 20
	longest = 20 * time.Second
	// fresh is how old the last reading may be to be told of.
	fresh = 30 * time.Second
	// patience bounds a reading.
	patience = 5 * time.Second
)

// Lister keeps adapters: the part of adapters.Store that is needed here.
type Lister interface {
	List(ctx context.Context) ([]adapters.Adapter, error)
}

// Config is what a Meter works with.
type Config struct {
	// Find is all Envoys that there are: Socket's, or that of Pods. One that drains
	// is among them to its end. Required.
	Find func(context.Context) ([]Envoy, error)
	// Store has the adapters: processors that can be told drop the series of all
	// others. Required.
	Store Lister
	// Log is told what cannot be read. Required.
	Log *slog.Logger
	// Connected is how many Envoys get their configuration from here: with more of
	// them than Find knows, summaries are incomplete and no adapter is known to be
	// idle. Nil means that nobody knows. It is set before Run.
	Connected func() int
}

// Meter measures. It is safe for use by several goroutines.
type Meter struct {
	cfg Config
	now func() time.Time

	mu      sync.Mutex
	sources map[string]*source
	began   time.Time // the first time that Find answered
	found   time.Time // the last one
	// watched is since when no Envoy has ended, and used when an adapter was last
	// seen in use, where that is later.
	watched time.Time
	used    map[string]time.Time
}

// New makes a Meter that measures while Run runs.
func New(cfg Config) *Meter {
	return &Meter{cfg: cfg, now: time.Now, sources: make(map[string]*source), used: make(map[string]time.Time)}
}

// Connect says what Config.Connected does, where it is known only later. It is to
// be called before Run.
func (m *Meter) Connect(connected func() int) { m.cfg.Connected = connected }

// connected is Config.Connected, or zero. m.mu is not to be held: others may wait for
// both.
func (m *Meter) connected() int {
	if m.cfg.Connected == nil {
		return 0
	}
	return m.cfg.Connected()
}

// here is how many Envoys there are now. m.mu is held.
func (m *Meter) here() int {
	n := 0
	for _, s := range m.sources {
		if s.here() {
			n++
		}
	}
	return n
}

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	following := make(map[*source]context.CancelFunc)
	failed := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		envoys, err := m.cfg.Find(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			m.cfg.Log.Warn("which Envoys there are is unknown: those that were known are read", "error", err)
		}
		if failed = err != nil; !failed {
			come, gone := m.know(envoys)
			for _, s := range gone {
				following[s]()
				delete(following, s)
			}
			for _, s := range come {
				one, end := context.WithCancel(ctx)
				following[s] = end
				group.Go(func() { m.follow(one, s) })
			}
		}
		timer.Reset(every)
	}
}

// know takes note of which Envoys there are, and returns those that are to be
// followed from now on, and those no more.
func (m *Meter) know(envoys []Envoy) (come, gone []*source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	first := m.began.IsZero()
	if first {
		m.began = now
		m.restart(now)
	}
	m.found = now
	there := make(map[string]bool, len(envoys))
	for _, e := range envoys {
		there[e.Name] = true
		s := m.sources[e.Name]
		if s == nil {
			s = &source{envoy: e, client: e.client(), left: now}
			m.sources[e.Name] = s
		}
		if !s.here() {
			s.left, s.found, s.late = time.Time{}, now, !first
			come = append(come, s)
		}
	}
	for name, s := range m.sources {
		switch {
		case s.here() && !there[name]:
			s.left = now
			gone = append(gone, s)
			// What it did after it was last read is known to nobody.
			m.restart(now)
		case !s.here() && now.Sub(s.left) > window:
			delete(m.sources, name)
		}
	}
	return come, gone
}

// tidy has the processor drop the series of adapters that are no more. What is
// read before the adapters are listed cannot be of one that is new.
func (m *Meter) tidy(ctx context.Context, s *source, r *reading) {
	list, err := m.cfg.Store.List(ctx)
	if err != nil {
		m.cfg.Log.Debug("series of deleted adapters stay for now", "error", err)
		return
	}
	there := make(map[string]bool, len(list))
	for _, a := range list {
		there[a.Name] = true
	}
	for name := range r.by {
		if name == "" || there[name] {
			continue
		}
		if err := s.forget(ctx, name); err != nil {
			m.cfg.Log.Debug("series of deleted adapters stay for now", "error", err)
			return
		}
	}
}
