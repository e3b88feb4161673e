package local

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// table is what is known of all replicas: written by each one's goroutine, read
// by the loop that plans and, as a snapshot, by everybody else.
type table struct {
	listeners adapters.Notifier
	snapshot  atomic.Pointer[map[adapters.UID][]adapters.Instance]

	mu   sync.Mutex
	rows map[string]*row
	next int
}

// row is one replica.
type row struct {
	adapters.Instance
	adapter adapters.UID
	replica *replica
	// served: it was ready at some time, so that somebody may depend on it.
	served bool
	// order counts replicas in the order of their start.
	order int
}

func newTable() *table {
	t := &table{rows: map[string]*row{}}
	t.snapshot.Store(&map[adapters.UID][]adapters.Instance{})
	return t
}

// add begins to show r.
func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	r.order, r.Since = t.next, time.Now()
	t.rows[r.ID] = &r
	t.publish()
}

// remove ends to show the replica of that id.
func (t *table) remove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, id)
	t.publish()
}

// report sets how the replica is, and how often its server was started anew. A
// replica that drains is shown as draining, whatever it says of itself.
func (t *table) report(id string, h health, restarts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[id]
	if r.State == adapters.InstanceDraining {
		h.state = adapters.InstanceDraining
	}
	// What is known of the tools holds while a bridge starts anew.
	listed := h.tools != nil && (r.Tools == nil || !slices.Equal(r.Tools, h.tools))
	if r.State == h.state && r.Reason == h.reason && r.Message == h.message && r.Restarts == restarts && !listed {
		return // as nearly always: each replica reports every two seconds
	}
	if listed {
		r.Tools = h.tools
	}
	if r.State != h.state {
		r.State, r.Since = h.state, time.Now()
	}
	r.Reason, r.Message, r.Restarts = h.reason, h.message, restarts
	r.served = r.served || h.state == adapters.InstanceReady
	t.publish()
}

// list is a copy of all rows in order of their start.
func (t *table) list() []row {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sorted()
}

func (t *table) sorted() []row {
	all := make([]row, 0, len(t.rows))
	for _, r := range t.rows {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.order, b.order) })
	return all
}

// publish makes a new snapshot and tells the listeners. The lock is held.
func (t *table) publish() {
	next := map[adapters.UID][]adapters.Instance{}
	for _, r := range t.sorted() {
		next[r.adapter] = append(next[r.adapter], r.Instance)
	}
	for _, instances := range next {
		slices.SortStableFunc(instances, func(a, b adapters.Instance) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	}
	t.snapshot.Store(&next)
	t.listeners.Notify()
}
