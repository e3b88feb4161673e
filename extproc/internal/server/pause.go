package server

import (
	"errors"
	"sync/atomic"
	"time"
)

// errLate ends the reading of a body that paused for too long, once that was
// answered.
var errLate = errors.New("the body paused for too long")

// pause calls a function once where a wait takes too long. The wait itself goes
// on: reading from a gRPC stream cannot be given up, but what is answered
// meanwhile makes Envoy end it. The zero value waits for ever.
type pause struct {
	most time.Duration
	tell func()

	wait *wait
}

// wait is one or more waits with the same timer.
type wait struct {
	timer *time.Timer
	// waiting is true while the timer counts, and taken back by whoever comes
	// first: the end of the wait, or the timer.
	waiting atomic.Bool
	told    chan struct{}
}

// begin begins a wait.
func (p *pause) begin() {
	switch {
	case p.most == 0:
	case p.wait != nil:
		p.wait.waiting.Store(true)
		p.wait.timer.Reset(p.most)
	default:
		w := &wait{told: make(chan struct{})}
		w.waiting.Store(true)
		w.timer = time.AfterFunc(p.most, func() {
			if w.waiting.CompareAndSwap(true, false) {
				p.tell()
				close(w.told)
			}
		})
		p.wait = w
	}
}

// end ends a wait, and reports whether it took too long: then the function has
// returned.
func (p *pause) end() (late bool) {
	w := p.wait
	if w == nil {
		return false
	}
	if !w.waiting.CompareAndSwap(true, false) {
		<-w.told
		return true
	}
	if !w.timer.Stop() {
		// It came too late, but may still look: not at the next wait.
		p.wait = nil
	}
	return false
}
