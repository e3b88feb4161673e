package snapshot

import (
	"context"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// adoption is how long to wait, at the start, for instances that may have served
// before it.
const adoption = 3 * time.Second

// awaitInstances holds the first revision back until the deployer knows how the
// instances of an earlier start are. An Envoy that has been serving all the
// while would otherwise be told that they are gone, and cut their sessions.
func (l *Loop) awaitInstances(ctx context.Context, deployed <-chan struct{}) {
	if l.config.Known != nil {
		select {
		case <-ctx.Done():
			return
		case <-l.config.Known:
		}
	}
	timeout := time.After(adoption)
	for !l.settled(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-timeout:
			return
		case <-deployed:
		}
	}
}

// settled reports whether every adapter has its instances, and none is starting.
func (l *Loop) settled(ctx context.Context) bool {
	list, err := l.config.Store.List(ctx)
	if err != nil {
		return false
	}
	instances := l.config.Deployer.Instances()
	for _, a := range list {
		if len(instances[a.ID]) < a.ReplicaCount && !l.asleep(a.ID) {
			return false
		}
		for _, i := range instances[a.ID] {
			if i.State == adapters.InstanceStarting {
				return false
			}
		}
	}
	return true
}

// asleep reports whether the adapter has no instances because nobody calls it.
func (l *Loop) asleep(id adapters.UID) bool {
	sleeper, can := l.config.Deployer.(adapters.Sleeper)
	if !can {
		return false
	}
	_, sleeps := sleeper.AsleepSince(id)
	return sleeps
}
