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

func (w *watch) want(what string, since time.Time) {
	w.t.Helper()
	if got, ok := w.IdleSince(w.a); !ok || !got.Equal(since) {
		w.t.Errorf("%s: idle since %v (%t), want %v", what, got, ok, since)
	}
}

func (w *watch) unknown(what string) {
	w.t.Helper()
	if got, ok := w.IdleSince(w.a); ok {
		w.t.Errorf("%s: idle since %v", what, got)
	}
}

// TestIdleSince: an adapter is idle since its last use at any Envoy.
func TestIdleSince(t *testing.T) {
	w := newWatch(t)
	w.unknown("nothing was read")
	w.pass(0, 0)
	start := w.clock
	w.want("nothing came", start)
	w.pass(0, 0)
	w.want("nothing came yet", start)
	w.pass(1, 1)
	w.want("one came", w.clock)
	w.pass(1, 1)
	w.want("it is open", w.clock)
	w.pass(1, 0)
	last := w.clock
	w.want("it ended", last)
	w.pass(1, 0)
	w.want("it has ended", last)
	w.pass(2, 0)
	w.want("one came and went", w.clock)
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
	w.up += 31
	w.one.show(processor(begin, 1, 0), statistics(w.up, 0, 0))
	w.two.show("", "")
	w.look(fresh + time.Second)
	w.unknown("one cannot be read")
	w.pass(1, 0)
	w.want("it is back, and did nothing", last)

	w.Connect(func() int { return 3 })
	w.unknown("there is an Envoy that nobody reads")
	w.Connect(func() int { return 2 })
	w.want("both are read", last)

	w.err = errors.New("no such host")
	w.pass(1, 0)
	w.want("the name cannot be looked up", last)
	for range 1 + fresh/every {
		w.pass(1, 0)
	}
	w.unknown("the name cannot be looked up for long")
	w.err = nil
	w.pass(1, 0)
	w.want("the name is back", last)

	w.start("127.0.0.3")
	w.pass(1, 0)
	w.unknown("another has come")
	w.pods["127.0.0.3"].show(processor(w.clock, 0, 0), statistics(5, 0, 0))
	w.pass(1, 0)
	w.want("it did nothing", last)
}
