package adapters

import "time"

// Traffic is what was measured of an adapter's requests in the last minutes,
// whoever answered them.
type Traffic struct {
	// WindowSeconds is how long was measured, up to five minutes.
	WindowSeconds int `json:"windowSeconds"`
	// AsOf is the end of that time, in UTC.
	AsOf time.Time `json:"asOf"`
	// Incomplete says that there may have been more: an Envoy, or the processor
	// beside it, could not be read lately, or ended within that time with what it
	// had counted last, or is not among those that are read.
	Incomplete bool `json:"incomplete,omitempty"`
	// Requests are those that have ended, Errors those of them that were answered
	// with 5xx, and Refused those with 4xx.
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
	Refused  int `json:"refused"`
	// P50Seconds and P99Seconds are the time that half, and 99 %, of the requests
	// took at most, estimated from a histogram; streams of server messages are
	// left out. Nil means that there was none.
	P50Seconds *float64 `json:"p50Seconds,omitempty"`
	P99Seconds *float64 `json:"p99Seconds,omitempty"`
	// Sessions are those with a request in the last five minutes. One whose requests
	// came by several Envoys counts at each of them.
	Sessions int `json:"sessions"`
}

// TrafficMeter knows the traffic of adapters.
type TrafficMeter interface {
	// Traffic is that of a, or nil where nothing is known that is recent.
	Traffic(a Adapter) *Traffic
}

// UseMeter knows when adapters were used.
type UseMeter interface {
	// IdleSince is since when a has had no request, open or new: since its last
	// use, or since watching began without a gap, whichever came later. It is a time
	// of this process's clock, and never earlier than the adapter was created. It is
	// false where that is not known, as while an Envoy cannot be read: an adapter of
	// which this is not known is to be taken for one in use.
	IdleSince(a Adapter) (since time.Time, ok bool)
}
