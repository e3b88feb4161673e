package snapshot

import (
	"context"

	"github.com/mooring-mcp/mooring/adapters"
)

// Withdrawn returns once no connected Envoy routes to the adapter of that id,
// which the Store must have no more, or ctx ends.
func (l *Loop) Withdrawn(ctx context.Context, id adapters.UID) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := l.changes.Changes(ctx)
	var gone withdrawal
	for !l.withdrawn(id, &gone) {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
	}
}

// withdrawal is how far the removal of an adapter has come.
type withdrawal struct {
	left bool
	// since numbers a route configuration without the adapter, once it left.
	since int64
}

func (l *Loop) withdrawn(id adapters.UID, w *withdrawal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.left && l.state.records[id] == nil {
		w.left, w.since = true, l.state.routeNumber
	}
	return w.left && l.state.acceptedRoutes(w.since)
}
