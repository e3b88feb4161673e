package adapters

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Values of Condition.Status.
const (
	StatusTrue    = "True"
	StatusFalse   = "False"
	StatusUnknown = "Unknown"
)

// Reasons of conditions that do not come from a replica.
const (
	// ReasonReplicaReady: at least one replica serves.
	ReasonReplicaReady = "ReplicaReady"
	// ReasonScaledToZero: replicaCount is 0.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonAsleep: nobody called for a while, so the replicas were ended. The next
	// request starts them.
	ReasonAsleep = "Asleep"
	// ReasonPending: no replica was started yet.
	ReasonPending = "Pending"
	// ReasonNoEffect: the runtime has no such thing.
	ReasonNoEffect = "NoEffect"
)

// pollProgrammed is how often Wait looks whether Envoy has an adapter's
// configuration: a Programmer tells of no changes.
const pollProgrammed = 50 * time.Millisecond

// Sleeper is a Deployer that ends the replicas of adapters that nobody calls, and
// starts them again with the next request.
type Sleeper interface {
	// AsleepSince is since when that is so of an adapter. It is not ok for one that
	// is awake.
	AsleepSince(id UID) (since time.Time, ok bool)
}

// asleepSince is that of Sleeper, where the Deployer is one.
func (s *Service) asleepSince(a Adapter) (since time.Time, ok bool) {
	sleeper, can := s.cfg.Deployer.(Sleeper)
	if !can || a.ReplicaCount == 0 {
		return time.Time{}, false
	}
	return sleeper.AsleepSince(a.ID)
}

// Status is what the Deployer made of a, now.
func (s *Service) Status(a Adapter) Status {
	instances := slices.Clone(s.cfg.Deployer.Instances()[a.ID])
	slices.SortStableFunc(instances, func(x, y Instance) int { return cmp.Compare(x.Ordinal, y.Ordinal) })
	hash := a.TemplateHash()
	status := Status{Image: a.Image(), Conditions: []Condition{}, Instances: []InstanceStatus{}}
	for _, instance := range instances {
		status.Instances = append(status.Instances, InstanceStatus{
			Instance: instance.Ordinal, State: instance.State, Reason: instance.Reason,
			Message: instance.Message, Since: instance.Since.UTC(), Restarts: instance.Restarts,
		})
		if instance.State == InstanceReady {
			status.ReadyReplicas++
			status.AvailableReplicas++
		}
		if instance.ID != "" && instance.TemplateHash == hash && instance.State != InstanceDraining {
			status.UpdatedReplicas++
		}
	}
	ready := readyCondition(a, instances)
	status.ReplicaStatus = replicaStatus(a, status.ReadyReplicas, instances)
	if since, asleep := s.asleepSince(a); asleep {
		ready = Condition{
			Type: ConditionReady, Status: StatusFalse, Reason: ReasonAsleep, LastTransitionTime: since.UTC(),
			Message: "Nobody called for a while, so the replicas were ended. The next request starts them.",
		}
		status.ReplicaStatus = "Asleep"
	}
	status.Conditions = append(status.Conditions, ready)
	if s.cfg.Programmer != nil {
		status.Conditions = append(status.Conditions, s.cfg.Programmer.Programmed(a))
	}
	status.Conditions = append(status.Conditions, s.cfg.Deployer.Conditions(a)...)
	if s.cfg.Traffic != nil {
		status.Traffic = s.cfg.Traffic.Traffic(a)
	}
	return status
}

// readyCondition is True since the first replica that serves, or else False
// for the reason of the replica that is worst off.
func readyCondition(a Adapter, instances []Instance) Condition {
	c := Condition{Type: ConditionReady, Status: StatusFalse, LastTransitionTime: a.LastUpdatedAt}
	for _, instance := range instances {
		if instance.State != InstanceReady {
			continue
		}
		if since := instance.Since.UTC(); c.Status == StatusFalse || since.Before(c.LastTransitionTime) {
			c.LastTransitionTime = since
		}
		c.Status, c.Reason, c.Message = StatusTrue, ReasonReplicaReady, "At least one replica serves."
	}
	if c.Status == StatusTrue {
		return c
	}
	worst, found := worstInstance(instances)
	switch {
	case a.ReplicaCount == 0:
		c.Reason, c.Message = ReasonScaledToZero, "The adapter has no replicas, since replicaCount is 0."
	case !found:
		c.Reason, c.Message = ReasonPending, "No replica was started yet."
	default:
		c.Reason = cmp.Or(worst.Reason, string(worst.State))
		c.Message = cmp.Or(worst.Message, fmt.Sprintf("Replica %d is %s.", worst.Ordinal, worst.State))
		c.LastTransitionTime = worst.Since.UTC()
	}
	return c
}

// worstInstance is the first failed replica, else the first that starts, else
// the first that drains.
func worstInstance(instances []Instance) (Instance, bool) {
	for _, state := range []InstanceState{InstanceFailed, InstanceStarting, InstanceDraining} {
		for _, instance := range instances {
			if instance.State == state {
				return instance, true
			}
		}
	}
	return Instance{}, false
}

// replicaStatus is one line: Healthy, or how many replicas serve and why the
// others do not.
func replicaStatus(a Adapter, ready int, instances []Instance) string {
	if a.ReplicaCount == 0 {
		return "Scaled to zero"
	}
	if ready >= a.ReplicaCount {
		return "Healthy"
	}
	line := fmt.Sprintf("Degraded: %d of %d replicas ready", ready, a.ReplicaCount)
	worst, found := worstInstance(instances)
	if !found || worst.State == InstanceDraining {
		return line
	}
	line += fmt.Sprintf("; instance %d: %s", worst.Ordinal, cmp.Or(worst.Reason, string(worst.State)))
	if worst.Message != "" {
		line += ": " + worst.Message
	}
	return line
}

// Wait returns once all replicas of a serve as its Spec says and can be called
// through the gateway, one of them failed, there is nothing to wait for, or ctx
// ended: the caller reads the Status to see which.
func (s *Service) Wait(ctx context.Context, a Adapter) {
	changes := s.cfg.Deployer.Changes(ctx)
	poll := time.NewTicker(pollProgrammed)
	defer poll.Stop()
	for !s.settled(a) {
		select {
		case <-changes:
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) settled(a Adapter) bool {
	if _, asleep := s.asleepSince(a); asleep {
		return true
	}
	ready, hash := 0, a.TemplateHash()
	for _, instance := range s.cfg.Deployer.Instances()[a.ID] {
		if instance.TemplateHash != hash {
			continue // it is about to be replaced
		}
		switch instance.State {
		case InstanceFailed:
			return true
		case InstanceReady:
			ready++
		case InstanceStarting, InstanceDraining:
		}
	}
	if ready < a.ReplicaCount {
		return false
	}
	return a.ReplicaCount == 0 || s.cfg.Programmer == nil || s.cfg.Programmer.Programmed(a).Status != StatusUnknown
}
