package local

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func (p *place) has() bool {
	select {
	case <-p.turn:
		return true
	default:
		return false
	}
}

func TestGateIsFair(t *testing.T) {
	g := newGate(1)
	first := g.enter(laneAsked)
	if !first.has() {
		t.Fatal("who comes alone waits")
	}
	names := map[*place]string{}
	var waiting []*place
	for _, w := range []struct {
		lane lane
		name string
	}{
		{laneRestored, "restored 1"}, {laneRestored, "restored 2"}, {laneRestored, "restored 3"}, {laneRestored, "restored 4"},
		{laneAsked, "asked 1"}, {laneAsked, "asked 2"},
	} {
		p := g.enter(w.lane)
		names[p] = w.name
		waiting = append(waiting, p)
	}
	// Who goes away, with the place or before, is not waited for.
	waiting[2].leave()
	waiting = slices.Delete(waiting, 2, 3)
	var order []string
	for last := first; len(waiting) > 0; {
		last.leave()
		last.leave()
		at := slices.IndexFunc(waiting, (*place).has)
		if at < 0 {
			t.Fatalf("a free place is not given away after %v", order)
		}
		last = waiting[at]
		order = append(order, names[last])
		waiting = slices.Delete(waiting, at, at+1)
		if slices.ContainsFunc(waiting, (*place).has) {
			t.Fatalf("one place is given to two after %v", order)
		}
		if len(waiting) == 0 {
			last.leave()
		}
	}
	want := []string{"restored 1", "asked 1", "restored 2", "asked 2", "restored 4"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestGateWaitsForNobodyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		slow, next := g.enter(laneRestored), g.enter(laneRestored)
		begin := time.Now()
		<-next.turn
		if waited := time.Since(begin); waited != placeLimit {
			t.Errorf("waited %v", waited)
		}
		slow.leave()
		if third := g.enter(laneRestored); third.has() {
			t.Error("a place is left twice")
		} else {
			third.leave()
		}
		next.leave()
	})
}

func TestGateHasPlacesByDefault(t *testing.T) {
	g := newGate(0)
	for range 4 {
		p := g.enter(laneAsked)
		defer p.leave()
		if !p.has() {
			t.Fatal("fewer than four places")
		}
	}
}

func TestBridgesStartAFewAtATime(t *testing.T) {
	w := newWorld(t)
	w.config.MaxStarting = 2
	var all []adapters.Adapter
	for i := range 6 {
		name := fmt.Sprintf("a%d", i)
		a := w.adapter(name, 1, "FAKE_GATE", filepath.Join(filepath.Dir(w.pids), "gate-"+name))
		w.create(a)
		all = append(all, a)
	}
	w.start()
	split := func() (running, waiting []adapters.Adapter) {
		for _, a := range all {
			for _, i := range w.Instances()[a.ID] {
				if i.Reason == "Queued" {
					waiting = append(waiting, a)
				} else if i.State == adapters.InstanceStarting {
					running = append(running, a)
				}
			}
		}
		return running, waiting
	}
	w.eventually("two start and four wait", func() bool {
		running, waiting := split()
		return len(running) == 2 && len(waiting) == 4 && len(w.alive()) == 2
	})
	// One that waits can be deleted, and what is asked for now need not wait for
	// all that is restored.
	_, waiting := split()
	w.delete(waiting[0])
	w.await(waiting[0], "")
	late := w.adapter("late", 1)
	w.create(late)
	w.eventually("it waits too", func() bool {
		i := w.Instances()[late.ID]
		return len(i) == 1 && i[0].Reason == "Queued"
	})
	running, _ := split()
	w.touch("gate-" + running[0].Name)
	w.await(late, "0 Ready")
	if _, waiting := split(); len(waiting) < 2 {
		t.Errorf("only %d wait after a second was let in", len(waiting))
	}
	for _, a := range all {
		w.touch("gate-" + a.Name)
	}
	for _, a := range all {
		if a.ID != waiting[0].ID {
			w.await(a, "0 Ready")
		}
	}
}
