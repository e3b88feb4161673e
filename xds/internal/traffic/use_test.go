package traffic

import (
	"errors"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// watch is a fleet of two Envoys that have been up for an hour, and adapter a.
type watch struct {
	*fleet
	a        adapters.Adapter
	one, two *pod
	up       int
}

func newWatch(t *testing.T) *watch {
	f := newFleet(t)
	return &watch{
		fleet: f, a: adapters.Adapter{Spec: adapters.Spec{Name: "a"}}, one: f.pods["127.0.0.1"], two: f.pods["127.0.0.2"], up: 3600,
	}
}

// pass lets time pass, after which the second Envoy has begun and has open that
// many requests, and the first none.
func (w *watch) pass(begun, open int) {
	w.t.Helper()
	w.up += int(every.Seconds())
	w.one.show(processor(begin, 1, 0), statistics(w.up, 0, 0))
	w.two.show(processor(begin, 1, 0), statistics(w.up, begun, open))
	w.look(every)
}

// want: adapter a is idle since then; the zero time means that it is not known.
func (w *watch) want(what string, since time.Time) {
	w.t.Helper()
	if got, ok := w.IdleSince(w.a); ok == since.IsZero() || !got.Equal(since) {
		w.t.Errorf("%s: idle since %v (%t), want %v", what, got, ok, since)
	}
}

// TestIdleSince: an adapter is idle since its last use at any Envoy.
func TestIdleSince(t *testing.T) {
	w := newWatch(t)
	var since time.Time
	w.want("nothing was read", since)
	for _, step := range []struct {
		what        string
		begun, open int
		now         bool // it is idle since now, and not since before
	}{
		{"nothing came", 0, 0, true},
		{"nothing came yet", 0, 0, false},
		{"one came", 1, 1, true},
		{"it is open", 1, 1, true},
		{"it ended", 1, 0, true},
		{"it has ended", 1, 0, false},
		{"one came and went", 2, 0, true},
	} {
		w.pass(step.begun, step.open)
		if step.now {
			since = w.clock
		}
		w.want(step.what, since)
	}
	if got, ok := w.IdleSince(adapters.Adapter{CreatedAt: w.clock}); !ok || !got.Equal(w.clock) {
		t.Errorf("of one that is new: idle since %v (%t)", got, ok)
	}
	w.up -= 3000
	w.pass(2, 0)
	w.want("an Envoy started anew", w.clock)
	w.pass(2, 0)
	w.end("127.0.0.1")
	w.look(every)
	w.want("one ended", w.clock)
}

// TestIdleIsUnknown: nobody says that an adapter is idle where an Envoy might know
// better.
func TestIdleIsUnknown(t *testing.T) {
	w := newWatch(t)
	w.pass(1, 0)
	last := w.clock
	for _, step := range []struct {
		what  string
		known bool
		do    func()
	}{
		{"one cannot be read", false, func() {
			w.up += 31
			w.one.show(processor(begin, 1, 0), statistics(w.up, 0, 0))
			w.two.show("", "")
			w.look(fresh + time.Second)
		}},
		{"it is back, and did nothing", true, func() { w.pass(1, 0) }},
		{"there is an Envoy that nobody reads", false, func() { w.Connect(func() int { return 3 }) }},
		{"both are read", true, func() { w.Connect(func() int { return 2 }) }},
		{"the name cannot be looked up", true, func() {
			w.err = errors.New("no such host")
			w.pass(1, 0)
		}},
		{"the name cannot be looked up for long", false, func() {
			for range 1 + fresh/every {
				w.pass(1, 0)
			}
		}},
		{"the name is back", true, func() {
			w.err = nil
			w.pass(1, 0)
		}},
		{"another has come", false, func() {
			w.start("127.0.0.3")
			w.pass(1, 0)
		}},
		{"it did nothing", true, func() {
			w.pods["127.0.0.3"].show(processor(w.clock, 0, 0), statistics(5, 0, 0))
			w.pass(1, 0)
		}},
	} {
		step.do()
		want := time.Time{}
		if step.known {
			want = last
		}
		w.want(step.what, want)
	}
}
