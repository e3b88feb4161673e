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
		lease, ok := l.Enter(name, 2)
		if ok != want {
			t.Errorf("%s enters: %v", name, ok)
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
