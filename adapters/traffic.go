package adapters

import "strconv"

// The bounds of TrafficLimits.
const (
	maxRequestTimeout = 86_400
	maxConcurrent     = 100_000
	maxRate           = 1_000_000
	// maxRequestBody is what Envoy can hold of a request while it is judged.
	maxRequestBody = 4 << 20
)

// TrafficLimits bound what is asked of one adapter at a time. A zero field means
// the operator's default.
type TrafficLimits struct {
	// RequestTimeoutSeconds is how long the server may take for the whole answer
	// to a POST, in seconds. Streams of server messages (GET and
	// subscriptions/listen) are not bounded by it.
	RequestTimeoutSeconds int `json:"requestTimeoutSeconds,omitempty"`
	// RequestBodyBytes is the size of the largest body of a request. The
	// operator's bound holds too, where that is lower.
	RequestBodyBytes int `json:"requestBodyBytes,omitempty"`
	// ConcurrentRequests is how many requests, streams included, are open to
	// the adapter at a time.
	ConcurrentRequests int `json:"concurrentRequests,omitempty"`
	// ConcurrentRequestsPerPrincipal is how many of them one principal may have.
	ConcurrentRequestsPerPrincipal int `json:"concurrentRequestsPerPrincipal,omitempty"`
	// ConcurrentStreams is how many streams of server messages (GET and
	// subscriptions/listen) are open to the adapter at a time.
	ConcurrentStreams int `json:"concurrentStreams,omitempty"`
	// ConcurrentStreamsPerPrincipal is how many of them one principal may have.
	ConcurrentStreamsPerPrincipal int `json:"concurrentStreamsPerPrincipal,omitempty"`
	// RequestsPerSecond is how many requests may come in a second.
	RequestsPerSecond int `json:"requestsPerSecond,omitempty"`
	// RequestsPerSecondPerPrincipal is how many of them one principal may send.
	RequestsPerSecondPerPrincipal int `json:"requestsPerSecondPerPrincipal,omitempty"`
}

// normalize is l in memory of its own, or nil where it says nothing.
func (l *TrafficLimits) normalize() *TrafficLimits {
	if l == nil || *l == (TrafficLimits{}) {
		return nil
	}
	out := *l
	return &out
}

func (f *faultList) trafficLimits(l *TrafficLimits) {
	if l == nil {
		return
	}
	for _, limit := range []struct {
		name        string
		value, most int
	}{
		{"requestTimeoutSeconds", l.RequestTimeoutSeconds, maxRequestTimeout},
		{"requestBodyBytes", l.RequestBodyBytes, maxRequestBody},
		{"concurrentRequests", l.ConcurrentRequests, maxConcurrent},
		{"concurrentRequestsPerPrincipal", l.ConcurrentRequestsPerPrincipal, maxConcurrent},
		{"concurrentStreams", l.ConcurrentStreams, maxConcurrent},
		{"concurrentStreamsPerPrincipal", l.ConcurrentStreamsPerPrincipal, maxConcurrent},
		{"requestsPerSecond", l.RequestsPerSecond, maxRate},
		{"requestsPerSecondPerPrincipal", l.RequestsPerSecondPerPrincipal, maxRate},
	} {
		if limit.value < 0 || limit.value > limit.most {
			f.add(Pointer("limits", limit.name), "It must be between 1 and "+strconv.Itoa(limit.most)+".")
		}
	}
}
