package snapshot

import (
	"slices"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Reasons of the condition Programmed.
const (
	reasonAccepted = "Accepted"
	reasonPending  = "Pending"
	reasonNoEnvoy  = "NoEnvoy"
	reasonRetrying = "Retrying"
	reasonRefused  = "RefusedByEnvoy"
	reasonInvalid  = "Invalid"
)

// Programmed is True once every connected Envoy has accepted the configuration
// of a as it is, and its replicas as they are now, so that a replica that is
// ready is reached. It is Unknown while that is open, and False with the words
// of whoever refused it.
func (l *Loop) Programmed(a adapters.Adapter) adapters.Condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec := l.state.records[a.ID]
	pending := adapters.Condition{
		Type: adapters.ConditionProgrammed, Status: "Unknown", Reason: reasonPending,
		Message: "The change is being worked on.",
	}
	if rec == nil || rec.generation != a.Generation {
		pending.LastTransitionTime = a.LastUpdatedAt
		return pending
	}
	// Replicas are read here, and not only by the next round: who has seen that
	// one is ready must not be told that what Envoy knows is current.
	now := l.config.Deployer.Instances()[a.ID]
	if rec.condition.Status != "True" || sameEndpoints(rec.instances, now) {
		return rec.condition
	}
	pending.LastTransitionTime = rec.condition.LastTransitionTime
	for _, i := range now {
		if i.Since.After(pending.LastTransitionTime) {
			pending.LastTransitionTime = i.Since.UTC()
		}
	}
	return pending
}

// sameEndpoints reports whether Envoy is to know the same replicas of both.
func sameEndpoints(a, b []adapters.Instance) bool {
	return slices.EqualFunc(serving(a), serving(b), func(a, b adapters.Instance) bool {
		return a.Address == b.Address && a.State == b.State
	})
}

func serving(list []adapters.Instance) []adapters.Instance {
	return slices.DeleteFunc(slices.Clone(list), func(i adapters.Instance) bool {
		return i.State != adapters.InstanceReady && i.State != adapters.InstanceDraining
	})
}

// refresh finds every adapter's condition again, and tells who waits for a
// change. The caller holds l.mu.
func (l *Loop) refresh() {
	defer l.changes.Notify()
	now := time.Now().UTC()
	for id, rec := range l.state.records {
		c := l.state.conditionOf(id, rec)
		c.LastTransitionTime = rec.condition.LastTransitionTime
		if c.Status != rec.condition.Status {
			c.LastTransitionTime = now
		}
		rec.condition = c
		l.close(rec, now)
		if !rec.routable && c.Status == "True" && rec.ready {
			rec.routable = true
			l.metrics.routable(rec.created, l.started, now)
		}
	}
}

// close measures how long rec was open, once Envoys have answered. What they
// refuse, or where there are none, tells nothing of how fast they are.
func (l *Loop) close(rec *record, now time.Time) {
	if rec.open.IsZero() || rec.condition.Reason == reasonPending {
		return
	}
	if rec.condition.Status == adapters.StatusTrue {
		l.metrics.programming.Observe(now.Sub(rec.open).Seconds())
	}
	rec.open = time.Time{}
}

func (s *state) conditionOf(id adapters.UID, rec *record) adapters.Condition {
	c := adapters.Condition{Type: adapters.ConditionProgrammed}
	accepted, refused := s.acceptedByPeers(id, rec)
	if rec.refusal != nil {
		refused = rec.refusal.message
	}
	switch {
	case rec.fault != "":
		c.Status, c.Reason, c.Message = "False", reasonInvalid, rec.fault
	case refused != "":
		c.Status, c.Reason, c.Message = "False", reasonRefused, "Envoy refused the configuration: "+refused
	case !rec.published:
		c.Status, c.Reason = "Unknown", reasonRetrying
		c.Message = "Envoy refused a configuration that this adapter was part of; it is tried again."
	case s.envoys() == 0:
		c.Status, c.Reason, c.Message = "Unknown", reasonNoEnvoy, "No Envoy is connected to the control plane."
	case accepted && s.acceptedHere(rec):
		c.Status, c.Reason, c.Message = "True", reasonAccepted, "Envoy has accepted the configuration."
	default:
		c.Status, c.Reason, c.Message = "Unknown", reasonPending, "Envoy has not answered yet."
	}
	return c
}

// accepted reports whether every Envoy works with rec's current resource of
// that type.
func (s *state) accepted(typ resourcev3.Type, rec *record) bool {
	for _, stream := range s.streams {
		if stream.accepted[typ][rec.resource()] != rec.prints[typ] {
			return false
		}
	}
	return true
}

// acceptedRoutes reports whether every Envoy works with the route configuration
// of that number or a later one.
func (s *state) acceptedRoutes(since int64) bool {
	for _, stream := range s.streams {
		if stream.routes(s.routeNumbers) < since {
			return false
		}
	}
	return true
}

// routes is the number of the route configuration that Envoy works with, or
// zero.
func (s *stream) routes(numbers map[string]int64) int64 {
	return numbers[s.accepted[resourcev3.RouteType][contract.RoutesPublic]]
}

// resource is the name of the adapter's cluster and of its endpoints.
func (r *record) resource() string { return contract.AdapterCluster(r.name) }
