package decide

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// Limiter counts requests. *limit.Limiter is one.
type Limiter interface {
	// Take counts a request, or returns how long it must wait.
	Take(name string, perSecond int) time.Duration
	// Enter counts an open request, of at most so many, and returns what stands
	// for it; false where there are too many.
	Enter(name string, most int) (lease string, ok bool)
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
	}
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

// tooOpen counts r as open, until the access log says that it has ended.
func (j *Judge) tooOpen(r *Request) *Refusal {
	most := j.limits(r.policy).ConcurrentRequestsPerPrincipal
	if most <= 0 {
		return nil
	}
	lease, ok := j.Limiter.Enter(r.counted(), most)
	if !ok {
		return tooMany("open_principal", "You have more open requests to this adapter than it takes from one user.", time.Second)
	}
	r.lease = lease
	return nil
}

// counted names principal and adapter.
func (r *Request) counted() string { return string(r.policy.UID) + " " + r.principal.Hash() }

func tooMany(reason, message string, wait time.Duration) *Refusal {
	r := refusal(http.StatusTooManyRequests, codeInvalidRequest, reason, message)
	r.Header = []Field{{"retry-after", strconv.Itoa(int(math.Ceil(wait.Seconds())))}}
	return r
}
