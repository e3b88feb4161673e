package deploy

import (
	"context"
	"time"

	toolscache "k8s.io/client-go/tools/cache"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// Sleep is an adapter that nobody calls.
type Sleep struct {
	Name  string
	Since time.Time
}

var _ adapters.Sleeper = (*Deployer)(nil)

// AsleepSince implements adapters.Sleeper.
func (d *Deployer) AsleepSince(id adapters.UID) (since time.Time, ok bool) {
	sleep, ok := (*d.asleep.Load())[id]
	return sleep.Since, ok
}

// lookForSleep takes over which adapters sleep. touched are the names of those
// that did not before, or do not any more.
func (d *Deployer) lookForSleep(ctx context.Context) (asleep map[adapters.UID]bool, touched []string, err error) {
	if d.cfg.Asleep == nil {
		return nil, nil, nil
	}
	next, err := d.cfg.Asleep(ctx)
	if err != nil {
		return nil, nil, err
	}
	before := *d.asleep.Load()
	asleep = make(map[adapters.UID]bool, len(next))
	for id, sleep := range next {
		asleep[id] = true
		if _, slept := before[id]; !slept {
			touched = append(touched, sleep.Name)
		}
	}
	for id, sleep := range before {
		if !asleep[id] {
			touched = append(touched, sleep.Name)
		}
	}
	d.asleep.Store(&next)
	return asleep, touched, nil
}

// onlySleep is tell for adapters, of which it counts whether they sleep.
func onlySleep(tell toolscache.ResourceEventHandlerFuncs) toolscache.ResourceEventHandlerFuncs {
	all := tell.UpdateFunc
	tell.UpdateFunc = func(before, after any) {
		old, had := before.(*v1alpha1.MCPAdapter)
		current, has := after.(*v1alpha1.MCPAdapter)
		if !had || !has || !old.Status.AsleepSince.Equal(current.Status.AsleepSince) {
			all(before, after)
		}
	}
	return tell
}
