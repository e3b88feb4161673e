package deploy

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

// masks take the secrets of adapters out of what their servers say. They are
// made when they are first needed, which is seldom.
type masks struct {
	store adapters.Store

	mu   sync.Mutex
	byID map[adapters.UID]*mask.Mask
}

// forget makes the masks be made anew, since adapters have changed.
func (m *masks) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID = nil
}

// of is the mask of the adapter. Where its secrets cannot be known, it is that
// of none: what servers say is shown to those only who may read the adapter.
func (m *masks) of(ctx context.Context, id adapters.UID) *mask.Mask {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		list, err := m.store.List(ctx)
		if err != nil {
			return nil
		}
		m.byID = map[adapters.UID]*mask.Mask{}
		for _, a := range list {
			if secrets := a.Secrets(); len(secrets) > 0 {
				m.byID[a.ID] = mask.New(slices.Collect(maps.Values(secrets)))
			}
		}
	}
	return m.byID[id]
}
