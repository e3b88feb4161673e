package reconcile

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const (
	// dozing is how long an adapter that falls asleep keeps its pods, to which no
	// new sessions are sent any more: a request that came in the last moment is
	// seen by then, and wakes it. What is known of an Envoy may be half a minute old.
	dozing = 35 * time.Second
	// maxDozing is when an adapter of which it is not known whether anybody calls
	// is awake again.
	maxDozing = 2 * time.Minute
	// lookAgain is when to ask anew how long nobody has called, where that is not
	// known. It is longer for adapters that are awake and may take their time to
	// sleep: one part in lookShare of that.
	lookAgain = 5 * time.Second
	lookShare = 12
	// sleepGrace is how long the pods of an adapter that sleeps have to end, in
	// seconds: nothing is in flight.
	sleepGrace = 10
)

// rest is what it hangs on whether an adapter sleeps.
type rest struct {
	now time.Time
	// after is how long nobody must have called. Zero means that it never sleeps.
	after  time.Duration
	wanted int
	// asleep is since when it sleeps, and woken when it was last woken. Zero means
	// not.
	asleep, woken time.Time
	// ended says that its pods have been taken away.
	ended     bool
	instances []adapters.Instance
	// idle is since when nobody has called, where that is known.
	idle  time.Time
	known bool
}

// posture is what an adapter is to do.
type posture int

const (
	// awake: it has its pods.
	awake posture = iota
	// fallAsleep: it is to be marked, and to doze.
	fallAsleep
	// doze: it is marked, and has its pods still.
	doze
	// asleep: it is marked, and has no pods.
	asleep
	// wake: it is marked, and is not to be any more.
	wake
)

// posture is what the adapter is to do now. wait is when to look again though
// nothing has changed; zero means never.
func (s rest) posture() (p posture, wait time.Duration) {
	marked := !s.asleep.IsZero()
	switch {
	case s.after == 0 || s.wanted == 0:
		if marked {
			return wake, 0
		}
		return awake, 0
	case marked && s.ended:
		return asleep, 0
	case marked:
		return s.dozes()
	}
	since, may := s.quietSince()
	if !may {
		return awake, 0 // its instances tell when they change
	}
	if !s.known {
		return awake, max(lookAgain, s.after/lookShare)
	}
	if left := since.Add(s.after).Sub(s.now); left > 0 {
		return awake, left
	}
	return fallAsleep, dozing
}

// dozes is posture for an adapter that is marked and has its pods.
func (s rest) dozes() (posture, time.Duration) {
	switch slept := s.now.Sub(s.asleep); {
	case s.known && s.idle.After(s.asleep):
		return wake, 0
	case slept < dozing:
		return doze, dozing - slept
	case s.known:
		return asleep, 0
	case slept < maxDozing:
		return doze, lookAgain
	default:
		return wake, 0
	}
}

// quietSince is since when nothing has happened to the adapter. It may not sleep
// while a replica starts or ends, or none serves: what is wrong is to be seen.
func (s rest) quietSince() (since time.Time, may bool) {
	since = latest(s.idle, s.woken)
	for _, i := range s.instances {
		switch i.State {
		case adapters.InstanceReady:
			since, may = latest(since, i.Since), true
		case adapters.InstanceStarting, adapters.InstanceDraining:
			return time.Time{}, false
		case adapters.InstanceFailed:
		}
	}
	return since, may
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// settle makes the adapter fall asleep or wake, where it is time, and reports
// whether it has pods. wait is when to look again though nothing has changed;
// zero means never.
func (r *Reconciler) settle(ctx context.Context, in objects.Input) (sleeps bool, wait time.Duration, err error) {
	s := rest{
		now: r.now(), after: r.cfg.Settings.ScaleToZero.IdleAfter(in.Object.Annotations), wanted: in.Adapter.ReplicaCount,
		asleep: timeOf(in.Object.Status.AsleepSince), woken: timeOf(in.Object.Status.WokenAt),
	}
	if s.after == 0 && s.asleep.IsZero() {
		return false, 0, nil
	}
	if s.ended, err = r.ended(ctx, in); err != nil {
		return false, 0, err
	}
	if r.cfg.Instances != nil {
		s.instances = r.cfg.Instances(in.Adapter.ID)
	}
	if r.cfg.Idle != nil {
		s.idle, s.known = r.cfg.Idle(in.Adapter)
	}
	p, wait := s.posture()
	var since time.Time
	switch p {
	case asleep:
		return true, wait, nil
	case awake, doze:
		return false, wait, nil
	case fallAsleep:
		r.cfg.Log.InfoContext(ctx, "adapter falls asleep: nobody calls it", "adapter", in.Adapter.Name, "idle_since", s.idle)
		since = s.now
	case wake:
		r.cfg.Log.InfoContext(ctx, "adapter stays awake", "adapter", in.Adapter.Name)
	}
	written, err := r.mark(ctx, in.Object, since)
	if !written {
		wait = again // what came between need not tell of itself
	}
	return false, wait, err
}

// ended reports whether the adapter's pods have been taken away.
func (r *Reconciler) ended(ctx context.Context, in objects.Input) (bool, error) {
	var set appsv1.StatefulSet
	key := client.ObjectKey{Namespace: r.cfg.Namespace, Name: objects.Name(in.Adapter.Name)}
	switch err := r.cfg.Client.Get(ctx, key, &set, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading stateful set %s: %w", key.Name, err)
	}
	return set.Spec.Replicas != nil && *set.Spec.Replicas == 0, nil
}

// mark says in the object that its adapter sleeps, or with the zero time that it
// does not. It is not written where somebody wrote to the object at the same time:
// who wakes the adapter wins.
func (r *Reconciler) mark(ctx context.Context, object *v1alpha1.MCPAdapter, since time.Time) (written bool, err error) {
	changed := object.DeepCopy()
	changed.Status.AsleepSince = nil
	if since.IsZero() {
		now := metav1.NewTime(r.now())
		changed.Status.WokenAt = &now
	} else {
		at := metav1.NewTime(since)
		changed.Status.AsleepSince = &at
	}
	err = r.cfg.Client.Status().Patch(ctx, changed, client.MergeFromWithOptions(object, client.MergeFromWithOptimisticLock{}), Manager)
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("marking adapter %q: %w", object.Name, err)
	}
	return true, nil
}

// endAsleep lets the pods of an adapter that sleeps end soon.
func (r *Reconciler) endAsleep(ctx context.Context, in objects.Input) error {
	if !in.Asleep {
		return nil
	}
	pods, err := r.pods(ctx, client.MatchingLabels{objects.LabelAdapter: in.Adapter.Name})
	if err != nil {
		return err
	}
	own, _ := ofLife(pods, in.Adapter.ID)
	return r.hurryAll(ctx, own, sleepGrace)
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
