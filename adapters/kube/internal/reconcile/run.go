package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	// workers is how many adapters are reconciled at a time.
	workers = 8
	// A failed try is made again after firstRetry, doubled up to lastRetry.
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
)

// queue has the names of adapters to look at.
type queue = workqueue.TypedRateLimitingInterface[string]

// Run reconciles all adapters, and those that something of changes, until ctx
// ends, and returns once nothing of it is at work any more. It may be called
// again after that.
func (r *Reconciler) Run(ctx context.Context) error {
	names := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry),
		workqueue.TypedRateLimitingQueueConfig[string]{Name: "adapters"})
	remove, err := r.listen(ctx, names)
	if err != nil {
		names.ShutDown()
		return err
	}
	defer remove()
	if !r.ready(ctx) {
		names.ShutDown()
		return nil // ctx has ended
	}
	r.names.Store(&names)
	defer r.names.Store(nil)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for r.next(ctx, names) {
			}
		})
	}
	<-ctx.Done()
	names.ShutDown()
	work.Wait()
	return nil
}

// ready waits until everything is known: whoever begins to lead must not write
// that nothing runs.
func (r *Reconciler) ready(ctx context.Context) bool {
	if !r.cfg.Cache.WaitForCacheSync(ctx) {
		return false
	}
	select {
	case <-r.cfg.Known:
		return true
	case <-ctx.Done():
		return false
	}
}

// Touch looks at the adapters of those names, if this is the one that does.
func (r *Reconciler) Touch(list []string) {
	names := r.names.Load()
	if names == nil {
		return
	}
	for _, name := range list {
		(*names).Add(name)
	}
}

// next looks at one adapter. It returns false at the end.
func (r *Reconciler) next(ctx context.Context, names queue) bool {
	name, shut := names.Get()
	if shut {
		return false
	}
	defer names.Done(name)
	wait, err := r.Reconcile(ctx, name)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.cfg.Log.WarnContext(ctx, "adapter was not deployed", "adapter", name, "error", err)
		names.AddRateLimited(name)
		return true
	case wait > 0:
		names.AddAfter(name, wait)
	}
	names.Forget(name)
	return true
}

// Reconcile makes what is there match one adapter. wait is when to look again
// though nothing has changed; zero means never.
func (r *Reconciler) Reconcile(ctx context.Context, name string) (wait time.Duration, err error) {
	object, err := r.object(ctx, name)
	if err != nil {
		return 0, err
	}
	if object == nil {
		// Kubernetes takes away what the adapter owned.
		return 0, r.hurry(ctx, name)
	}
	adapter, err := r.cfg.Read(ctx, object)
	if unreadable, ok := errors.AsType[*adapters.UnreadableError](err); ok {
		// What runs is left alone until it is known what should.
		return 0, r.reportUnreadable(ctx, object, unreadable)
	}
	if err != nil {
		return 0, fmt.Errorf("reading adapter %q: %w", name, err)
	}
	in := r.input(object, adapter)
	var look time.Duration
	if in.Asleep, look, err = r.settle(ctx, in); err != nil {
		return 0, err
	}
	wait, deployErr := r.deploy(ctx, in)
	open, err := r.report(ctx, object, adapter, deployErr)
	left, leftErr := r.forget(ctx, object)
	return soonest(soonest(look, wait), soonest(open, left)), errors.Join(deployErr, err, leftErr, r.endAsleep(ctx, in))
}

// soonest is the shorter wait, of which zero means none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
