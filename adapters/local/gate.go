package local

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// placeLimit is how long a bridge that starts may keep others waiting. Most that
// take longer download, or hang.
const placeLimit = 30 * time.Second

// lane is who waits for a place.
type lane int

const (
	// laneRestored is for what should have been running all the time: after the
	// machine was started, all of it comes at once.
	laneRestored lane = iota
	// laneAsked is for what came later: somebody waits for it, or it was cut
	// off. While both lanes wait, they take turns, so that neither starves.
	laneAsked
	lanes
)

// gate bounds how many bridges start at a time, for a server's start takes more
// of the machine than its work does. In each lane, the first who came is first.
type gate struct {
	limit time.Duration // of a place

	mu      sync.Mutex
	free    int
	waiting [lanes][]*place
	next    lane
}

func (l lane) other() lane { return lanes - 1 - l }

// newGate makes a gate of so many places; zero means two for each processor, but
// not less than four.
func newGate(places int) *gate {
	if places <= 0 {
		places = max(4, 2*runtime.GOMAXPROCS(0))
	}
	return &gate{limit: placeLimit, free: places, next: laneAsked}
}

// place is one at the gate, or the wait for it.
type place struct {
	gate *gate
	lane lane
	// turn is closed once the place may be used.
	turn  chan struct{}
	timer *time.Timer // nil while it waits
	left  bool
}

// enter asks for a place, which has to be left in any case.
func (g *gate) enter(l lane) *place {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &place{gate: g, lane: l, turn: make(chan struct{})}
	g.waiting[l] = append(g.waiting[l], p)
	g.admit()
	return p
}

// admit gives free places to those who wait. The lock is held.
func (g *gate) admit() {
	for g.free > 0 {
		l := g.next
		if len(g.waiting[l]) == 0 {
			l = l.other()
		}
		if len(g.waiting[l]) == 0 {
			return
		}
		p := g.waiting[l][0]
		g.waiting[l] = g.waiting[l][1:]
		g.next = l.other()
		g.free--
		p.timer = time.AfterFunc(g.limit, p.leave)
		close(p.turn)
	}
}

// leave gives the place to the next. Further calls do nothing, nor does one of
// nil.
func (p *place) leave() {
	if p == nil {
		return
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.left {
		return
	}
	p.left = true
	if p.timer == nil {
		queue := &p.gate.waiting[p.lane]
		*queue = slices.DeleteFunc(*queue, func(q *place) bool { return q == p })
		return
	}
	p.timer.Stop()
	p.gate.free++
	p.gate.admit()
}
