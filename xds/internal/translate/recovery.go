package translate

import (
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	statefulv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

const (
	// retryOn names the only failures after which a request is sent again: those
	// that prove that no server has got it.
	retryOn = "connect-failure,reset-before-request,retriable-headers"
	// With a pause of retryPause, doubled each time up to longestRetryPause, each
	// shortened at random, the tries take four seconds: a bridge that was killed
	// serves again by then. What waits for one that starts is there soon after it
	// serves.
	retries           = 34
	retryPause        = 50 * time.Millisecond
	longestRetryPause = 250 * time.Millisecond
)

// goOnElsewhere lets r bring a session whose replica is gone to another, which
// goes on with it: to the same one each time, for a replica knows what is new in
// the session only while it keeps it. A request that no server has got is sent
// again.
func goOnElsewhere(r *routev3.Route) {
	r.TypedPerFilterConfig[filterStatefulSession] = packed(&statefulv3.StatefulSessionPerRoute{
		Override: &statefulv3.StatefulSessionPerRoute_StatefulSession{StatefulSession: statefulSession(false)},
	})
	action := r.GetRoute()
	action.HashPolicy = append(action.HashPolicy, hashOf(headerSession))
	action.RetryPolicy = again(retryOn)
}

// again sends a request again after those failures, of which one is that its
// answer says that nobody has got it.
func again(failures string) *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:    failures,
		NumRetries: wrapperspb.UInt32(retries),
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{
			BaseInterval: durationpb.New(retryPause),
			MaxInterval:  durationpb.New(longestRetryPause),
		},
		RetriableHeaders: []*routev3.HeaderMatcher{{
			Name:                 launch.HeaderUnsent,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
		}},
	}
}

// retriesOf is how many requests to a may be waiting to be sent again, of limit
// that may be open.
func (t *Translator) retriesOf(a adapters.Adapter, limit uint32) uint32 {
	if a.RecoversSessions() || t.waker.on {
		return limit
	}
	return 0
}
