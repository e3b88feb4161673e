// Package deploy is the Deployer of a cluster as every replica of the control
// plane has it: it reads what the pods of adapters are, from the cache of a
// namespace, and their logs. What pods there are it leaves to the reconciler,
// which only one replica is.
package deploy

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/warnings"
)

// Changes are gathered for settle before they are looked at, since one event often
// comes with others, and for restful times as long as the last look took: with
// thousands of pods, most of which start, looking must not be all that is done.
const (
	settle  = 10 * time.Millisecond
	restful = 3
)

// Config is what a Deployer works with. All but Asleep, Touch and Log are
// required.
type Config struct {
	// Cache has the pods, EndpointSlices and StatefulSets of Namespace. Somebody
	// else runs it.
	Cache cache.Cache
	// API is asked for the logs of pods, and for events.
	API kubernetes.Interface
	// Namespace is that of the adapters.
	Namespace string
	// Store has the adapters, and their secrets, which no message shows.
	Store adapters.Store
	// Settings are the operator's.
	Settings settings.Settings
	// Asleep has the adapters that nobody calls, which have no pods or are about to
	// lose them. Nil means that none ever is.
	Asleep func(context.Context) (map[adapters.UID]Sleep, error)
	// Touch is told the names of adapters whose instances changed. Nil means
	// nobody.
	Touch func(names []string)
	// Log is where the Deployer logs. Nil means nowhere.
	Log *slog.Logger
}

// Deployer says what runs in a namespace.
type Deployer struct {
	cfg       Config
	own       adapters.Notifier // pods, slices, sets, answers and warnings
	listeners adapters.Notifier // instances
	snapshot  atomic.Pointer[map[adapters.UID][]adapters.Instance]
	known     chan struct{}
	asker     *asker
	warned    *warnings.Book
	masks     *masks

	asleep atomic.Pointer[map[adapters.UID]Sleep]

	// names are those of the adapters of snapshot. They belong to Run.
	names map[adapters.UID]string
}

var _ adapters.Deployer = (*Deployer)(nil)

// New returns a Deployer that knows nothing until Run.
func New(cfg Config) *Deployer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Deployer{cfg: cfg, known: make(chan struct{}), masks: &masks{store: cfg.Store}}
	d.asker = newAsker(d.own.Notify)
	d.warned = warnings.NewBook(cfg.API, cfg.Namespace, d.own.Notify)
	d.snapshot.Store(&map[adapters.UID][]adapters.Instance{})
	d.asleep.Store(&map[adapters.UID]Sleep{})
	return d
}

// Supports implements adapters.Deployer: a cluster runs every image.
func (d *Deployer) Supports(adapters.Spec) error { return nil }

// Conditions implements adapters.Deployer.
func (d *Deployer) Conditions(a adapters.Adapter) []adapters.Condition {
	if !a.UseWorkloadIdentity {
		return nil
	}
	c := adapters.Condition{
		Type: adapters.ConditionWorkloadIdentity, Status: adapters.StatusTrue, Reason: "Configured",
		Message: "The pods run as a service account that has an identity.", LastTransitionTime: a.LastUpdatedAt,
	}
	if d.cfg.Settings.WorkloadIdentity.Provider == "" {
		c.Status, c.Reason = adapters.StatusFalse, "NotConfigured"
		c.Message = "The operator has configured no workload identity, so the pods have none."
	}
	return []adapters.Condition{c}
}

// Instances implements adapters.Deployer. The answer is shared by all who ask,
// and must not be changed.
func (d *Deployer) Instances() map[adapters.UID][]adapters.Instance { return *d.snapshot.Load() }

// Known is closed once Run has looked for the first time.
func (d *Deployer) Known() <-chan struct{} { return d.known }

// Changes implements adapters.Deployer.
func (d *Deployer) Changes(ctx context.Context) <-chan struct{} { return d.listeners.Changes(ctx) }

// Run implements adapters.Deployer. It begins when the cache has everything, and
// is to be called once.
func (d *Deployer) Run(ctx context.Context) error {
	changes := d.own.Changes(ctx)
	remove, err := d.listen(ctx)
	if err != nil {
		return err
	}
	defer remove()
	if !d.cfg.Cache.WaitForCacheSync(ctx) {
		return nil // ctx has ended
	}
	defer d.asker.wait()
	var reading sync.WaitGroup
	reading.Go(func() { d.warned.Run(ctx) })
	defer reading.Wait()
	stored := d.cfg.Store.Changes(ctx)
	for {
		began := time.Now()
		d.lookOrLog(ctx)
		took := time.Since(began)
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		case <-stored:
			d.masks.forget()
		case <-d.asker.due():
		case <-d.warned.Due():
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle + restful*took):
		}
	}
}

// lookOrLog makes it known that there was a first look, where there was.
func (d *Deployer) lookOrLog(ctx context.Context) {
	if err := d.look(ctx); err != nil {
		d.cfg.Log.Error("pods cannot be listed", "error", err)
		return
	}
	select {
	case <-d.known:
	default:
		close(d.known)
	}
}

// look makes the snapshot anew, and tells who listens when it is another.
func (d *Deployer) look(ctx context.Context) error {
	world, err := d.world(ctx)
	if err != nil {
		return err
	}
	asleep, touched, err := d.lookForSleep(ctx)
	if err != nil {
		return err
	}
	world.Asleep = asleep
	d.asker.follow(ctx, world.Pods)
	world.Answers = d.asker.answers()
	world.Conceal = func(id adapters.UID, text string) string { return d.masks.of(ctx, id).String(text) }
	next := instances.Of(world)
	before, names := *d.snapshot.Load(), namesIn(world)
	for id, name := range names {
		if !reflect.DeepEqual(next[id], before[id]) {
			touched = append(touched, name)
		}
	}
	for id, name := range d.names {
		if _, still := names[id]; !still {
			touched = append(touched, name)
		}
	}
	d.names = names
	if len(touched) == 0 {
		return nil
	}
	d.snapshot.Store(&next)
	d.listeners.Notify()
	if d.cfg.Touch != nil {
		d.cfg.Touch(touched)
	}
	return nil
}

// namesIn are the names of the adapters that have instances.
func namesIn(world instances.World) map[adapters.UID]string {
	names := map[adapters.UID]string{}
	add := func(labels map[string]string) {
		names[adapters.UID(labels[objects.LabelUID])] = labels[objects.LabelAdapter]
	}
	for _, pod := range world.Pods {
		add(pod.Labels)
	}
	for _, set := range world.Sets {
		add(set.Labels)
	}
	return names
}
