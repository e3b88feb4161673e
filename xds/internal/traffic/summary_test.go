package traffic

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestTrafficOfSeveral: what is shown is the sum, and says where it is not all.
func TestTrafficOfSeveral(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}}
	f := newFleet(t)
	one, two := f.pods["127.0.0.1"], f.pods["127.0.0.2"]
	old := begin.Add(-time.Hour)
	want := func(what string, requests, sessions int, complete bool) {
		t.Helper()
		got := f.Traffic(a)
		if got == nil || got.Requests != requests || got.Sessions != sessions || got.Incomplete == complete {
			t.Errorf("%s: %+v", what, got)
		}
	}
	one.show(processor(old, 100, 1), statistics(3600, 1, 0))
	two.show(processor(old, 200, 2), statistics(3600, 1, 0))
	f.look(0)
	if got := f.Traffic(a); got != nil {
		t.Errorf("after one reading: %+v", got)
	}
	one.show(processor(old, 110, 1), statistics(3605, 1, 0))
	two.show(processor(old, 205, 2), statistics(3605, 1, 0))
	f.look(every)
	want("both", 15, 3, true)
	if got := f.Traffic(a); got.WindowSeconds != 5 || got.P50Seconds == nil {
		t.Errorf("both: %+v", got)
	}

	f.start("127.0.0.3") // which counted before it was found
	f.pods["127.0.0.3"].show("", "")
	f.look(every)
	want("one that is not ready", 15, 3, false)
	f.pods["127.0.0.3"].show(processor(f.clock, 7, 1), statistics(5, 7, 0))
	f.look(every)
	want("it and what it did at once", 22, 4, true)

	two.show("", "")
	f.look(fresh + time.Second)
	want("one that cannot be read", 22, 2, false)
	two.show(processor(old, 206, 2), statistics(3650, 1, 0))
	f.look(every)
	want("it is back", 23, 4, true)

	f.end("127.0.0.2")
	f.look(every)
	want("one that ended", 23, 2, false)
	for range window / every {
		f.look(every)
	}
	want("long after", 0, 2, false)
	f.look(every)
	want("longer after", 0, 2, true)

	f.end("127.0.0.1")
	f.end("127.0.0.3")
	f.err = errors.New("no such host")
	f.look(fresh + time.Second)
	if got := f.Traffic(a); got != nil {
		t.Errorf("of nobody: %+v", got)
	}
}

// TestUnreadEnvoy: the sum says that there is an Envoy which is not in it.
func TestUnreadEnvoy(t *testing.T) {
	f := newFleet(t)
	for _, p := range f.pods {
		p.show(processor(begin, 1, 0), statistics(1, 1, 0))
	}
	f.look(0)
	f.look(every)
	for envoys, incomplete := range map[int]bool{1: false, 2: false, 3: true} {
		f.Connect(func() int { return envoys })
		if got := f.Traffic(adapters.Adapter{}); got == nil || got.Incomplete != incomplete {
			t.Errorf("with %d Envoys: %+v", envoys, got)
		}
	}
}

// TestOldStranger: one that is found late and did much before counts from then on.
func TestOldStranger(t *testing.T) {
	a := adapters.Adapter{Spec: adapters.Spec{Name: "a"}}
	f := newFleet(t)
	for _, p := range f.pods {
		p.show(processor(begin, 1, 0), statistics(1, 1, 0))
	}
	f.look(0)
	f.look(time.Hour)
	f.start("127.0.0.3")
	f.pods["127.0.0.3"].show(processor(begin, 1000, 0), statistics(3600, 1000, 0))
	f.look(every)
	f.pods["127.0.0.3"].show(processor(begin, 1001, 0), statistics(3605, 1001, 0))
	f.look(every)
	if got := f.Traffic(a); got == nil || got.Requests != 1 || !got.Incomplete {
		t.Errorf("%+v", got)
	}
}

// TestRunOfSeveral: those that come are read, and those that go are not.
func TestRunOfSeveral(t *testing.T) {
	f := newFleet(t)
	for _, p := range f.pods {
		p.show(processor(begin, 1, 0), statistics(1, 0, 0))
	}
	f.now = time.Now
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	for {
		if _, ok := f.IdleSince(adapters.Adapter{Spec: adapters.Spec{Name: "a"}}); ok {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal("nobody is read")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
