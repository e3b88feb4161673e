// Package spare keeps server processes that are started ahead, so that a new
// session need not wait until an interpreter has loaded its server. They have
// had no message: the first, which binds a server to an era and to a client's
// capabilities, is their session's. What they are for is not known here.
package spare

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// Child is a server process that nobody has written to.
type Child interface {
	// Ended reports whether it has ended.
	Ended() bool
	// Receive returns an error once it has ended and nothing of it is left.
	Receive() (line []byte, cut bool, err error)
	// Stop begins its end.
	Stop()
}

var _ Child = (*stdio.Child)(nil)

// Config is what a Pool works with.
type Config[C Child] struct {
	// Start starts a process. Required.
	Start func() (C, error)
	// Room is how many spares there may be now, more than Want included. It is
	// asked often. Required.
	Room func() int
	// Want is how many spares are kept. Zero means none.
	Want int
	// Delay is the time between taking a spare and starting the next: who took it
	// shall have the processor first. Zero means 200 ms.
	Delay time.Duration
	// Look is how often Room is asked. Zero means 1 s.
	Look time.Duration
	// MinBackoff and MaxBackoff bound the time until the next one is started after
	// one that ended though nobody used it. Zero means 1 s and 10 min.
	MinBackoff, MaxBackoff time.Duration
	// Log is required.
	Log *slog.Logger
}

// Pool holds the spares. It keeps some only while Run runs.
type Pool[C Child] struct {
	cfg  Config[C]
	wake chan struct{}

	mu     sync.Mutex
	idle   []C // oldest first
	next   time.Time
	deaths int // since one was taken
	taken  int
	missed int

	wg sync.WaitGroup // of those that end
}

// New returns a Pool, which is empty until Run.
func New[C Child](cfg Config[C]) *Pool[C] {
	setDefault(&cfg.Delay, 200*time.Millisecond)
	setDefault(&cfg.Look, time.Second)
	setDefault(&cfg.MinBackoff, time.Second)
	setDefault(&cfg.MaxBackoff, 10*time.Minute)
	return &Pool[C]{cfg: cfg, wake: make(chan struct{}, 1)}
}

func setDefault(to *time.Duration, value time.Duration) {
	if *to == 0 {
		*to = value
	}
}

// Take returns a spare, which is the caller's then, or false when there is none.
func (p *Pool[C]) Take() (C, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[0]
		p.idle = p.idle[1:]
		if c.Ended() {
			p.died(c)
			continue
		}
		p.taken++
		p.deaths = 0
		p.wait(p.cfg.Delay)
		return c, true
	}
	p.missed++
	var none C
	return none, false
}

// Len is how many spares there are.
func (p *Pool[C]) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// Counts are how often Take had a spare, and how often it had none.
func (p *Pool[C]) Counts() (taken, missed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, p.missed
}

// Run keeps as many spares as are wanted, and as there is room for, until ctx
// ends. Then it ends them, and returns when they are gone.
func (p *Pool[C]) Run(ctx context.Context) error {
	for {
		// Asked without the lock: who answers may wait for a Take.
		want := min(p.cfg.Want, p.cfg.Room())
		if ctx.Err() != nil {
			want = 0
		}
		p.mu.Lock()
		p.bury()
		p.shrink(max(0, want))
		rest := p.cfg.Look
		short := len(p.idle) < want
		if until := time.Until(p.next); short && until > 0 {
			short, rest = false, min(rest, until)
		}
		p.mu.Unlock()
		if short {
			p.grow()
			continue
		}
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.shrink(0)
			p.mu.Unlock()
			p.wg.Wait()
			return nil
		case <-p.wake:
		case <-time.After(rest):
		}
	}
}

// grow starts one spare.
func (p *Pool[C]) grow() {
	c, err := p.cfg.Start()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.cfg.Log.Warn("a spare server process could not be started", "error", err)
		p.wait(p.backoff())
		return
	}
	p.idle = append(p.idle, c)
}

// bury forgets spares that have ended by themselves. p.mu is held.
func (p *Pool[C]) bury() {
	living := p.idle[:0]
	for _, c := range p.idle {
		if c.Ended() {
			p.died(c)
		} else {
			living = append(living, c)
		}
	}
	clear(p.idle[len(living):])
	p.idle = living
}

// died takes note of a spare that has ended by itself. p.mu is held.
func (p *Pool[C]) died(c C) {
	p.discard(c)
	p.wait(p.backoff())
	p.cfg.Log.Warn("a spare server process ended before it was used", "next_in", time.Until(p.next).Round(time.Second).String())
}

// backoff is how long to wait after another death. p.mu is held.
func (p *Pool[C]) backoff() time.Duration {
	p.deaths++
	return min(p.cfg.MinBackoff<<min(p.deaths-1, 16), p.cfg.MaxBackoff)
}

// wait holds the next start back. p.mu is held.
func (p *Pool[C]) wait(d time.Duration) {
	p.next = time.Now().Add(d)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// shrink ends all but the oldest n spares. p.mu is held.
func (p *Pool[C]) shrink(n int) {
	for len(p.idle) > n {
		last := len(p.idle) - 1
		p.discard(p.idle[last])
		p.idle = p.idle[:last]
	}
}

// discard ends a process and reads what it says until it is gone.
func (p *Pool[C]) discard(c C) {
	c.Stop()
	p.wg.Go(func() {
		for {
			if _, _, err := c.Receive(); err != nil {
				return
			}
		}
	})
}
