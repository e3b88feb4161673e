// Package reconcile makes a namespace of a cluster match its adapters: it writes
// the objects that package objects says an adapter is made of, mends what others
// changed of them, and tells each adapter's status. Where nothing differs it
// writes nothing. One replica of the control plane does this at a time.
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// Manager is the field manager of all that is applied.
const Manager = client.FieldOwner("mooring")

// again is when something that is in the way is looked at anew.
const again = time.Second

// Config is what a Reconciler works with. All but Instances, Idle and Log are
// required.
type Config struct {
	// Cache has what is in Namespace; Client reads from it, and writes to the API.
	// Somebody else runs it.
	Cache  cache.Cache
	Client client.Client
	// Direct reads from the API.
	Direct client.Reader
	// Namespace is that of the adapters.
	Namespace string
	// Read is what an object of the cache says. An adapters.UnreadableError where
	// it says nothing that can be run.
	Read func(context.Context, *v1alpha1.MCPAdapter) (adapters.Adapter, error)
	// Known is closed once Status knows what runs.
	Known <-chan struct{}
	// Status says how an adapter is.
	Status func(adapters.Adapter) adapters.Status
	// Instances are the replicas of an adapter. Nil means that there are none.
	Instances func(adapters.UID) []adapters.Instance
	// Idle is since when nobody has called an adapter, as adapters.UseMeter's
	// IdleSince. Nil means that it is not known, so that no adapter falls asleep.
	Idle func(adapters.Adapter) (since time.Time, ok bool)
	// URL is where clients reach the adapter of that name.
	URL func(name string) string
	// Settings are the operator's.
	Settings settings.Settings
	// Log is where the Reconciler logs. Nil means nowhere.
	Log *slog.Logger
}

// Reconciler makes a namespace match its adapters.
type Reconciler struct {
	cfg   Config
	now   func() time.Time
	names atomic.Pointer[queue]
}

// New returns a Reconciler that does nothing until Run.
func New(cfg Config) *Reconciler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Reconciler{cfg: cfg, now: time.Now}
}

// object is the adapter of that name in the cluster, nil where it is gone or
// about to be.
func (r *Reconciler) object(ctx context.Context, name string) (*v1alpha1.MCPAdapter, error) {
	var object v1alpha1.MCPAdapter
	switch err := r.cfg.Client.Get(ctx, client.ObjectKey{Namespace: r.cfg.Namespace, Name: name}, &object); {
	case apierrors.IsNotFound(err), err == nil && object.DeletionTimestamp != nil:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading adapter %q: %w", name, err)
	}
	return &object, nil
}

func (r *Reconciler) input(object *v1alpha1.MCPAdapter, adapter adapters.Adapter) objects.Input {
	return objects.Input{Object: object, Adapter: adapter, Settings: r.cfg.Settings}
}

// deploy writes what differs. wait is when to look again without any change; zero
// means never.
func (r *Reconciler) deploy(ctx context.Context, in objects.Input) (wait time.Duration, err error) {
	pods, err := r.pods(ctx, client.MatchingLabels{objects.LabelAdapter: in.Adapter.Name})
	if err != nil {
		return 0, err
	}
	pods, former := ofLife(pods, in.Adapter.ID)
	if err := r.hurryAll(ctx, former, hurried); err != nil {
		return 0, err
	}
	set := objects.Make(in)
	objects.Rollout(set.StatefulSet, pods)
	if blocked, err := r.prepare(ctx, in, set.Before()); err != nil || blocked {
		return again, err
	}
	for _, wanted := range set.Pods() {
		blocked, err := r.ensure(ctx, wanted)
		if err != nil {
			return 0, err
		}
		if blocked {
			return again, nil
		}
	}
	if err := r.remove(ctx, in, set); err != nil {
		return 0, err
	}
	return 0, r.forceLost(ctx, in, pods)
}

// prepare makes what pods need, all at the same time: the API takes several requests
// for each, and the pods wait for all.
func (r *Reconciler) prepare(ctx context.Context, in objects.Input, list []client.Object) (blocked bool, err error) {
	var group errgroup.Group
	var inTheWay atomic.Bool
	do := func(f func() (bool, error)) {
		group.Go(func() error {
			blocked, err := f()
			if blocked {
				inTheWay.Store(true)
			}
			return err
		})
	}
	if in.Adapter.ImageName == adapters.BridgeImage {
		do(func() (bool, error) { return r.seal(ctx, in) })
	}
	for _, wanted := range list {
		do(func() (bool, error) { return r.ensure(ctx, wanted) })
	}
	err = group.Wait()
	return inTheWay.Load(), err
}

// ensure makes one object as it is wanted. It is blocked while the object of an
// earlier adapter of that name is there, which is then on its way out.
func (r *Reconciler) ensure(ctx context.Context, wanted client.Object) (blocked bool, err error) {
	m, err := manifest(wanted)
	if err != nil {
		return false, err
	}
	live := emptyOf(wanted)
	err = r.cfg.Client.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	if apierrors.IsNotFound(err) {
		// The cache has only Mooring's own: the name may be somebody else's.
		err = r.cfg.Direct.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	}
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return false, fmt.Errorf("reading %s: %w", describe(wanted), err)
	case live.GetLabels()[objects.LabelManagedBy] != objects.ManagedBy:
		return false, fmt.Errorf("%s is there already, and not Mooring's", describe(wanted))
	case live.GetLabels()[objects.LabelUID] != wanted.GetLabels()[objects.LabelUID]:
		return true, r.delete(ctx, live)
	default:
		same, err := holds(live, m)
		if err != nil || same {
			return false, err
		}
	}
	r.cfg.Log.Info("applying object", "adapter", wanted.GetLabels()[objects.LabelAdapter], "object", describe(wanted))
	// To wait for it, the cache would hold everything a second time, in this form.
	err = r.cfg.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(m), Manager, client.ForceOwnership, client.DisableReadYourWritesConsistency)
	if err != nil {
		return false, fmt.Errorf("applying %s: %w", describe(wanted), err)
	}
	return false, nil
}

// remove deletes what the adapter must not have.
func (r *Reconciler) remove(ctx context.Context, in objects.Input, set objects.Set) error {
	for _, o := range []struct {
		wanted bool
		live   client.Object
	}{
		{set.PodDisruptionBudget != nil, &policyv1.PodDisruptionBudget{}},
		{set.NetworkPolicy != nil, &networkingv1.NetworkPolicy{}},
	} {
		if o.wanted {
			continue
		}
		switch err := r.cfg.Client.Get(ctx, client.ObjectKeyFromObject(set.StatefulSet), o.live); {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return fmt.Errorf("reading %T: %w", o.live, err)
		}
		r.cfg.Log.Info("removing object", "adapter", in.Adapter.Name, "object", describe(o.live))
		if err := r.delete(ctx, o.live); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes the object as it was read, and what it owns after it.
func (r *Reconciler) delete(ctx context.Context, live client.Object) error {
	uid := live.GetUID()
	err := r.cfg.Client.Delete(ctx, live, client.Preconditions{UID: &uid}, client.PropagationPolicy("Background"))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting %s: %w", describe(live), err)
	}
	return nil
}

func (r *Reconciler) pods(ctx context.Context, labels client.MatchingLabels) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := r.cfg.Client.List(ctx, &list, client.InNamespace(r.cfg.Namespace), labels, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return list.Items, nil
}

// emptyOf is an object of the same kind.
func emptyOf(o client.Object) client.Object {
	switch o.(type) {
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{}
	case *policyv1.PodDisruptionBudget:
		return &policyv1.PodDisruptionBudget{}
	case *networkingv1.NetworkPolicy:
		return &networkingv1.NetworkPolicy{}
	case *corev1.Service:
		return &corev1.Service{}
	}
	panic(fmt.Sprintf("reconcile: %T is no part of an adapter", o))
}

func describe(o client.Object) string {
	switch o.(type) {
	case *appsv1.StatefulSet:
		return "stateful set " + o.GetName()
	case *policyv1.PodDisruptionBudget:
		return "pod disruption budget " + o.GetName()
	case *networkingv1.NetworkPolicy:
		return "network policy " + o.GetName()
	case *corev1.Service:
		return "service " + o.GetName()
	case *corev1.Secret:
		return "secret " + o.GetName()
	}
	return "object " + o.GetName()
}
