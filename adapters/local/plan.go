package local

import (
	"github.com/mooring-mcp/mooring/adapters"
)

// goal is what a replica should do. It only ever rises.
type goal int32

const (
	// goalServe: run, and be started again when it dies.
	goalServe goal = iota
	// goalDrain: end when its sessions have.
	goalDrain
	// goalStop: end now; its folder stays, for who wants to read the logs.
	goalStop
	// goalRemove: end now, and leave nothing.
	goalRemove
)

// standing is a replica as the plan sees it.
type standing struct {
	id      string
	adapter adapters.UID
	ordinal int
	hash    string
	goal    goal
	// ready and served: it can be called now, or could at some time.
	ready, served bool
}

// birth is a replica to be started.
type birth struct {
	adapter adapters.Adapter
	ordinal int
}

// plan compares what should run with what does, and says which replicas to
// start and which to end. It has no memory: everything follows from the two
// lists, of which replicas is in the order of their start.
//
// A replica of an older template is told to drain once the one of the new
// template with its ordinal is ready, so that a new template that does not start
// takes nothing away. One that never served is not worth draining.
func plan(wanted []adapters.Adapter, replicas []standing) (births []birth, goals map[string]goal) {
	goals = map[string]goal{}
	byAdapter := map[adapters.UID][]standing{}
	for _, r := range replicas {
		byAdapter[r.adapter] = append(byAdapter[r.adapter], r)
		goals[r.id] = goalRemove
	}
	for _, a := range wanted {
		if !isSegment(string(a.ID)) {
			continue // the store of somebody else: no folder can have that name
		}
		births = append(births, planAdapter(a, byAdapter[a.ID], goals)...)
	}
	for _, r := range replicas {
		if goals[r.id] <= r.goal {
			delete(goals, r.id)
		}
	}
	return births, goals
}

func planAdapter(a adapters.Adapter, replicas []standing, goals map[string]goal) []birth {
	hash := a.TemplateHash()
	current := map[int]standing{}
	for _, r := range replicas {
		goals[r.id] = r.goal
		_, taken := current[r.ordinal]
		switch {
		case r.goal != goalServe:
		case r.ordinal >= a.ReplicaCount, r.hash == hash && taken:
			goals[r.id] = r.farewell()
		case r.hash == hash:
			current[r.ordinal] = r
		}
	}
	for _, r := range replicas {
		superseded := r.hash != hash && goals[r.id] == goalServe
		if superseded && (current[r.ordinal].ready || !r.served) {
			goals[r.id] = r.farewell()
		}
	}
	var births []birth
	for ordinal := range a.ReplicaCount {
		if _, found := current[ordinal]; !found {
			births = append(births, birth{adapter: a, ordinal: ordinal})
		}
	}
	return births
}

// farewell is how r ends: a replica that was never ready has nothing to finish.
func (r standing) farewell() goal {
	if r.served {
		return goalDrain
	}
	return goalRemove
}
