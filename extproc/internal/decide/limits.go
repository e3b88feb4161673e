package decide

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/extproc/internal/limit"
)

const methodListen = "subscriptions/listen"

// Limiter counts requests. *limit.Limiter is one.
type Limiter interface {
	// Take counts a request, or returns how long it must wait.
	Take(name string, perSecond int) time.Duration
	// Enter counts an open request under all of the names, or under none: then
	// over is the place of the first that is full, and not negative. The lease
	// stands for what was counted.
	Enter(counts []limit.Count) (lease string, over int)
}

// limits are those that are counted here: the adapter's own, or the defaults.
func (j *Judge) limits(p Policy) adapters.TrafficLimits {
	var own adapters.TrafficLimits
	if p.Limits != nil {
		own = *p.Limits
	}
	return adapters.TrafficLimits{
		RequestsPerSecond:              cmp.Or(own.RequestsPerSecond, j.Defaults.RequestsPerSecond),
		RequestsPerSecondPerPrincipal:  cmp.Or(own.RequestsPerSecondPerPrincipal, j.Defaults.RequestsPerSecondPerPrincipal),
		ConcurrentRequestsPerPrincipal: cmp.Or(own.ConcurrentRequestsPerPrincipal, j.Defaults.ConcurrentRequestsPerPrincipal),
		ConcurrentStreams:              cmp.Or(own.ConcurrentStreams, j.Defaults.ConcurrentStreams),
		ConcurrentStreamsPerPrincipal:  cmp.Or(own.ConcurrentStreamsPerPrincipal, j.Defaults.ConcurrentStreamsPerPrincipal),
	}
}

// maxBody is the size of the largest body of a request under p.
func (j *Judge) maxBody(p Policy) int64 {
	if p.Limits != nil && p.Limits.RequestBodyBytes > 0 {
		return min(int64(p.Limits.RequestBodyBytes), j.MaxBody)
	}
	return j.MaxBody
}

// tooFast counts r. Who is over their own rate uses up none of the adapter's.
func (j *Judge) tooFast(r *Request) *Refusal {
	limits := j.limits(r.policy)
	if rate := limits.RequestsPerSecondPerPrincipal; rate > 0 {
		if wait := j.Limiter.Take(r.counted(), rate); wait > 0 {
			return tooMany("rate_principal", "You send more requests to this adapter than it takes from one user.", wait)
		}
	}
	if rate := limits.RequestsPerSecond; rate > 0 {
		if wait := j.Limiter.Take(string(r.policy.UID), rate); wait > 0 {
			return tooMany("rate_adapter", "This adapter gets more requests than it takes.", wait)
		}
	}
	return nil
}

// tooOpen counts r as open, until the access log says that it has ended. Of what
// a principal has too many is told before what the adapter has.
func (j *Judge) tooOpen(r *Request) *Refusal {
	limits := j.limits(r.policy)
	var counts []limit.Count
	var refusals []*Refusal
	bound := func(name string, most int, refusal *Refusal) {
		if most > 0 {
			counts, refusals = append(counts, limit.Count{Name: name, Most: most}), append(refusals, refusal)
		}
	}
	if most := limits.ConcurrentRequestsPerPrincipal; most > 0 {
		bound(r.counted(), most, tooMany("open_principal",
			"You have more open requests to this adapter than it takes from one user.", time.Second))
	}
	if r.Streams() {
		bound(r.counted()+" streams", limits.ConcurrentStreamsPerPrincipal, tooMany("streams_principal",
			"You have more open streams of this adapter than it gives one user.", time.Second))
		bound(string(r.policy.UID)+" streams", limits.ConcurrentStreams, full("streams_adapter",
			"This adapter is at its limit of open streams; try again."))
	}
	if len(counts) == 0 {
		return nil
	}
	lease, over := j.Limiter.Enter(counts)
	if over >= 0 {
		return refusals[over]
	}
	r.lease = lease
	return nil
}

// Streams reports whether r asks for a stream of server messages, which is open
// for long.
func (r *Request) Streams() bool {
	return r.head.Method == http.MethodGet || r.era == EraModern && r.message.Method == methodListen
}

// counted names principal and adapter.
func (r *Request) counted() string { return string(r.policy.UID) + " " + r.hash }

func tooMany(reason, message string, wait time.Duration) *Refusal {
	r := refusal(http.StatusTooManyRequests, codeInvalidRequest, reason, message)
	r.Header = []Field{{"retry-after", strconv.Itoa(int(math.Ceil(wait.Seconds())))}}
	return r
}

// full is the refusal of an adapter that takes no more from anybody.
func full(reason, message string) *Refusal {
	r := refusal(http.StatusServiceUnavailable, codeInternal, reason, message)
	r.Header = []Field{{"retry-after", "1"}}
	return r
}
