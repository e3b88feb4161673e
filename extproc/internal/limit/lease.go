package limit

import (
	"crypto/rand"
	"iter"
	"strings"
	"time"
)

// Count is a name under which an open request counts, with neither tab nor line
// break in it, and how many of those there may be.
type Count struct {
	Name string
	Most int
}

// Enter counts one more open request under each of the names, and returns the
// lease that stands for it; over is then negative. Where one of them has as many
// as it may, none is counted, and over is the place of the first of those.
func (l *Limiter) Enter(counts []Count) (lease string, over int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweep(now)
	for i, c := range counts {
		if l.open(c.Name, now) >= c.Most {
			return "", i
		}
	}
	id := rand.Text()
	names := make([]string, 0, len(counts))
	for _, c := range counts {
		l.extend(c.Name, id, now)
		names = append(names, c.Name)
	}
	return id + "\t" + strings.Join(names, "\n"), -1
}

// Renew says that the request of lease is still open. One that is not known, as
// after a start, counts from now on.
func (l *Limiter) Renew(lease string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for name, id := range parts(lease) {
		l.extend(name, id, now)
	}
}

// End says that the request of lease has ended.
func (l *Limiter) End(lease string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, id := range parts(lease) {
		delete(l.leases[name], id)
		if len(l.leases[name]) == 0 {
			delete(l.leases, name)
		}
	}
}

// parts are the names that a lease counts under, each with the lease's id.
func parts(lease string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		id, names, found := strings.Cut(lease, "\t")
		if !found {
			return
		}
		for name := range strings.SplitSeq(names, "\n") {
			if !yield(name, id) {
				return
			}
		}
	}
}

// open is how many requests of name are open. l.mu is held.
func (l *Limiter) open(name string, now time.Time) int {
	open := 0
	for _, end := range l.leases[name] {
		if now.Before(end) {
			open++
		}
	}
	return open
}

// extend sets the end of a lease. l.mu is held.
func (l *Limiter) extend(name, id string, now time.Time) {
	if l.leases[name] == nil {
		l.leases[name] = map[string]time.Time{}
	}
	l.leases[name][id] = now.Add(LeaseTime)
}

// sweep forgets leases that have run out, now and then. l.mu is held.
func (l *Limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < LeaseTime {
		return
	}
	l.swept = now
	for name, leases := range l.leases {
		for id, end := range leases {
			if !now.Before(end) {
				delete(leases, id)
			}
		}
		if len(leases) == 0 {
			delete(l.leases, name)
		}
	}
}
