package snapshot

import (
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// routeHistory is how many versions of the route configuration are remembered.
// An Envoy that accepts an older one is taken to have accepted none.
const routeHistory = 256

// state is all that changes, behind Loop.mu.
type state struct {
	published *revision
	records   map[adapters.UID]*record
	// byName are the adapters' ids.
	byName  map[string]adapters.UID
	streams map[StreamID]*stream
	peers   map[PeerID]Report
	trials  trials
	// refusedFilters are the versions of filters that an Envoy has refused.
	refusedFilters map[string]bool
	// routeNumbers orders the versions of the route configuration.
	routeNumbers map[string]int64
	routeOrder   []string
	routeNumber  int64
}

func newState() state {
	return state{
		records:        make(map[adapters.UID]*record),
		streams:        make(map[StreamID]*stream),
		peers:          make(map[PeerID]Report),
		routeNumbers:   make(map[string]int64),
		refusedFilters: make(map[string]bool),
	}
}

// record is what is known of one adapter.
type record struct {
	name       string
	generation int64
	// wanted is how many replicas there are to be.
	wanted  int
	created time.Time
	// fault is why it could not be translated, or empty.
	fault string
	// prints and print are those of its row.
	prints map[resourcev3.Type]string
	print  string
	// instances are those that prints is of.
	instances []adapters.Instance
	// ready says that at least one endpoint takes new sessions.
	ready bool
	// published says that it is part of the published revision.
	published bool
	// routesSince numbers the first route configuration with its routes.
	routesSince int64
	// refusal is Envoy's, or nil.
	refusal *refusal
	// condition is the last one that was found.
	condition adapters.Condition
	// routable says that it has been reached, for the metric.
	routable bool
	// open is since when Envoys do not have its configuration. Zero means that they
	// do, or that nobody can tell.
	open time.Time
}

// refusal is an Envoy's NACK of one adapter's configuration.
type refusal struct {
	typ resourcev3.Type
	// print is the digest of what was refused: anything else is tried again.
	print   string
	message string
}

// of reports whether it was a configuration with these digests that was
// refused. A nil refusal is of none.
func (r *refusal) of(prints map[resourcev3.Type]string) bool {
	return r != nil && r.print == prints[r.typ]
}

// admit chooses the adapters of the next revision: not those that Envoy refused
// as they are, nor those whose trial has not come.
func (l *Loop) admit(rows []*row) []*translate.Adapter {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := make([]*translate.Adapter, 0, len(rows))
	for _, r := range rows {
		r.admitted = r.translated != nil && l.state.admits(r)
		if r.admitted {
			kept = append(kept, r.translated)
		}
	}
	return kept
}

func (s *state) admits(r *row) bool {
	if s.trials.waits(r.adapter.ID) {
		return false
	}
	old := s.records[r.adapter.ID]
	return old == nil || !old.refusal.of(r.prints)
}

// record takes over what a round found of changes that were seen at that time. It
// reports whether next differs from what is published.
func (l *Loop) record(rows []*row, next *revision, seen time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.state
	changed := !next.equal(s.published)
	if changed {
		s.published = next
		s.number(next.routes())
	}
	records, byName := make(map[adapters.UID]*record, len(rows)), make(map[string]adapters.UID, len(rows))
	for _, r := range rows {
		rec := s.updated(r)
		if old := s.records[r.adapter.ID]; rec.open.IsZero() && (old == nil || !old.same(rec)) {
			rec.open = seen
		}
		if rec.fault != "" && (s.records[r.adapter.ID] == nil || s.records[r.adapter.ID].fault != rec.fault) {
			l.config.Log.Warn("adapter left out", "adapter", rec.name, "error", rec.fault)
		}
		records[r.adapter.ID], byName[rec.name] = rec, r.adapter.ID
	}
	s.records, s.byName = records, byName
	s.trials.forget(func(id adapters.UID) bool { return records[id] == nil })
	l.refresh()
	return changed
}

// same reports whether o is of the same configuration.
func (r *record) same(o *record) bool {
	return r.print == o.print && r.prints[resourcev3.RouteType] == o.prints[resourcev3.RouteType]
}

// updated is the record of r that follows the old one.
func (s *state) updated(r *row) *record {
	rec := new(record)
	if old := s.records[r.adapter.ID]; old != nil {
		*rec = *old
	}
	if !rec.published || rec.prints[resourcev3.RouteType] != r.prints[resourcev3.RouteType] {
		rec.routesSince = s.routeNumber
	}
	// A refusal that came in the meantime is of what is now published.
	if r.admitted && !rec.refusal.of(r.prints) {
		rec.refusal = nil
	}
	rec.name, rec.generation, rec.created, rec.wanted = r.adapter.Name, r.adapter.Generation, r.adapter.CreatedAt, r.adapter.ReplicaCount
	rec.fault, rec.prints, rec.print = r.fault, r.prints, r.print
	rec.instances, rec.ready, rec.published = r.instances, r.ready, r.admitted
	return rec
}

// number gives version the highest number.
func (s *state) number(version string) {
	if len(s.routeOrder) > 0 && s.routeOrder[len(s.routeOrder)-1] == version {
		return
	}
	s.routeNumber++
	s.routeNumbers[version] = s.routeNumber
	s.routeOrder = append(s.routeOrder, version)
	if len(s.routeOrder) <= routeHistory {
		return
	}
	oldest := s.routeOrder[0]
	s.routeOrder = s.routeOrder[1:]
	if s.routeNumbers[oldest] <= s.routeNumber-routeHistory {
		delete(s.routeNumbers, oldest)
	}
}

// mostRefused bounds how many versions of filters are remembered as refused.
const mostRefused = 64

// refuseFilters remembers what was refused, unless other filters were published
// since: those are judged by themselves.
func (s *state) refuseFilters(response Sent) {
	if response.Type != resourcev3.ExtensionConfigType || s.published == nil {
		return
	}
	for name, version := range response.Versions {
		if s.published.versions[response.Type][name] != version {
			return
		}
	}
	if len(s.refusedFilters) >= mostRefused {
		clear(s.refusedFilters)
	}
	s.refusedFilters[s.published.filters()] = true
}
