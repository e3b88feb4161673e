package limit

import (
	"crypto/rand"
	"strings"
	"time"
)

// Enter counts one more open request of name, of at most so many, and returns
// the lease that stands for it; false where there are as many. The name has no
// tab in it.
func (l *Limiter) Enter(name string, most int) (lease string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweep(now)
	open := 0
	for _, end := range l.leases[name] {
		if now.Before(end) {
			open++
		}
	}
	if open >= most {
		return "", false
	}
	id := rand.Text()
	l.extend(name, id, now)
	return name + "\t" + id, true
}

// Renew says that the request of lease is still open. One that is not known, as
// after a start, counts from now on.
func (l *Limiter) Renew(lease string) {
	name, id, found := strings.Cut(lease, "\t")
	if !found {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.extend(name, id, l.now())
}

// End says that the request of lease has ended.
func (l *Limiter) End(lease string) {
	name, id, _ := strings.Cut(lease, "\t")
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases[name], id)
	if len(l.leases[name]) == 0 {
		delete(l.leases, name)
	}
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
