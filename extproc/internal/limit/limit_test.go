package limit

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(func() time.Time { return now })
	for i := range 5 {
		if wait := l.Take("a", 5); wait != 0 {
			t.Fatalf("request %d waits %v", i, wait)
		}
	}
	if wait := l.Take("a", 5); wait != 200*time.Millisecond {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := l.Take("b", 5); wait != 0 {
		t.Errorf("another name waits %v", wait)
	}
	now = now.Add(200 * time.Millisecond)
	if wait := l.Take("a", 5); wait != 0 {
		t.Errorf("after its time it waits %v", wait)
	}
	if wait := l.Take("a", 5); wait != 200*time.Millisecond {
		t.Errorf("the next waits %v", wait)
	}
	now = now.Add(time.Hour)
	for range 2 {
		if wait := l.Take("a", 2); wait != 0 {
			t.Errorf("under a lower rate: %v", wait)
		}
	}
	if wait := l.Take("a", 2); wait != 500*time.Millisecond {
		t.Errorf("what was saved up is more than one second's: %v", wait)
	}
	now = now.Add(-time.Minute)
	if wait := l.Take("a", 2); wait <= 0 {
		t.Error("a clock that goes back gives requests")
	}
}

func TestOpen(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(func() time.Time { return now })
	enter := func(name string, want bool) string {
		t.Helper()
		lease, over := l.Enter([]Count{{name, 2}})
		if (over < 0) != want {
			t.Errorf("%s enters: over %d", name, over)
		}
		return lease
	}
	first, second := enter("a", true), enter("a", true)
	enter("a", false)
	other := enter("b", true)
	l.End(first)
	l.End(first)
	third := enter("a", true)
	enter("a", false)

	now = now.Add(LeaseTime - time.Second)
	l.Renew(second)
	l.Renew("nonsense")
	now = now.Add(time.Second)
	fourth := enter("a", true) // the third was never heard of again
	enter("a", false)

	l = New(func() time.Time { return now })
	l.Renew(second)
	l.Renew(fourth)
	enter("a", false) // after a start, what is open counts again
	for _, lease := range []string{second, third, fourth, other} {
		l.End(lease)
	}
	enter("c", true)
	now = now.Add(LeaseTime)
	l.End(enter("d", true))
	if len(l.leases) != 0 {
		t.Errorf("left over: %v", l.leases)
	}
}

// TestOpenUnderSeveralNames holds that a request counts under all of its names or
// under none.
func TestOpenUnderSeveralNames(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(func() time.Time { return now })
	both := []Count{{"wide", 2}, {"narrow", 1}}
	lease, over := l.Enter(both)
	if over >= 0 {
		t.Fatalf("the first is over %d", over)
	}
	if _, over := l.Enter(both); over != 1 {
		t.Errorf("the second is over %d", over)
	}
	if _, over := l.Enter(both[:1]); over >= 0 {
		t.Error("what was refused counted all the same")
	}
	if _, over := l.Enter(both); over != 0 {
		t.Errorf("over the first of two full names: %d", over)
	}
	l.Renew(lease)
	l.End(lease)
	if _, over := l.Enter(both); over >= 0 {
		t.Errorf("after the first has ended: over %d", over)
	}
}
