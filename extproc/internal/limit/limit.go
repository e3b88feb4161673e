// Package limit counts requests: how many came in a second, and how many are
// open, under names of the caller's own. It knows nothing of adapters,
// principals or HTTP. What is counted is that of one process, and begins anew
// with it.
package limit

import (
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/extproc/internal/recent"
)

// maxBuckets bounds how many names have a rate remembered. One that is in use is
// not forgotten, and one that was forgotten begins with a full bucket.
const maxBuckets = 64 << 10

// LeaseTime is how long an open request counts without a sign of it. Whatever
// was lost, a process or a message, is made good after it.
const LeaseTime = 3 * time.Minute

// Limiter counts. It is safe for use by several goroutines.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets *recent.Cache[string, *bucket]
	leases  map[string]map[string]time.Time
	swept   time.Time
}

// bucket holds the requests that may still come, up to those of one second.
type bucket struct {
	left float64
	at   time.Time
}

// New makes a Limiter. now is the clock.
func New(now func() time.Time) *Limiter {
	return &Limiter{now: now, buckets: recent.New[string, *bucket](maxBuckets), leases: map[string]map[string]time.Time{}}
}

// Take counts a request of name, of which perSecond may come: as many at once,
// and then one after the other. It returns zero, or how long it takes until
// the request may come, which is then not counted.
func (l *Limiter) Take(name string, perSecond int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, rate := l.now(), float64(perSecond)
	b, known := l.buckets.Get(name)
	if !known {
		b = &bucket{left: rate, at: now}
		l.buckets.Put(name, b)
	}
	b.left = min(rate, b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return 0
}
