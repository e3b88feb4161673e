package snapshot

import (
	"cmp"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// Reach is whether an adapter can be called.
type Reach struct {
	// Wanted says that it is to have replicas.
	Wanted bool
	// Serves says that one of them takes new sessions, and Programmed that every
	// Envoy knows so.
	Serves, Programmed bool
	// Reason is why none serves, in a word, or empty.
	Reason string
	// FailedSince is since when all replicas that there are have failed. Zero means
	// that one may serve soon.
	FailedSince time.Time
}

// Reach is that of the adapter of that name. It is not ok where there is none.
func (l *Loop) Reach(name string) (r Reach, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.state.byName[name]
	rec := l.state.records[id]
	if rec == nil {
		return Reach{}, false
	}
	r = Reach{Wanted: rec.wanted > 0, Serves: rec.ready, Programmed: rec.condition.Status == adapters.StatusTrue}
	if r.Serves {
		return r, true
	}
	var since time.Time
	// Those of the record have no news of reasons.
	for _, i := range l.config.Deployer.Instances()[id] {
		if i.State == adapters.InstanceDraining {
			continue
		}
		r.Reason = cmp.Or(i.Reason, r.Reason)
		if i.State != adapters.InstanceFailed || i.Reason == adapters.ReasonExited {
			return r, true
		}
		if i.Since.After(since) {
			since = i.Since
		}
	}
	r.FailedSince = since
	return r, true
}
