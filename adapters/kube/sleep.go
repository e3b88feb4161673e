package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/deploy"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/reconcile"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// ObserveUse makes the replica that leads ask m which adapters nobody calls, and
// take away the pods of those, as Settings.ScaleToZero says. To be called before
// Run.
func (c *Cluster) ObserveUse(m adapters.UseMeter) { c.uses = m }

// Wake gives the adapter of that name its pods, if it sleeps. Any replica may do
// so, at any time and as often as it likes: where the adapter is awake, nothing is
// asked of the API server.
func (c *Cluster) Wake(ctx context.Context, name string) error {
	var object v1alpha1.MCPAdapter
	switch err := c.objects.GetClient().Get(ctx, client.ObjectKey{Namespace: c.cfg.Namespace, Name: name}, &object); {
	case apierrors.IsNotFound(err), err == nil && object.Status.AsleepSince == nil:
		return nil
	case err != nil:
		return fmt.Errorf("reading adapter %q: %w", name, err)
	}
	changed, now := object.DeepCopy(), metav1.NewTime(time.Now())
	changed.Status.AsleepSince, changed.Status.WokenAt = nil, &now
	err := c.objects.GetClient().Status().Patch(ctx, changed, client.MergeFrom(&object), reconcile.Manager)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("waking adapter %q: %w", name, err)
	}
	return nil
}

// asleep finds the adapters that sleep, in the cache. Nil where none may.
func (c *Cluster) asleep() func(context.Context) (map[adapters.UID]deploy.Sleep, error) {
	if !c.cfg.Settings.ScaleToZero.On() {
		return nil
	}
	return func(ctx context.Context) (map[adapters.UID]deploy.Sleep, error) {
		var list v1alpha1.MCPAdapterList
		err := c.objects.GetCache().List(ctx, &list, client.InNamespace(c.cfg.Namespace), client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, fmt.Errorf("listing adapters in the cache: %w", err)
		}
		all := map[adapters.UID]deploy.Sleep{}
		for i := range list.Items {
			object := &list.Items[i]
			if object.Status.AsleepSince == nil || object.DeletionTimestamp != nil {
				continue
			}
			if id, err := UIDOf(object.UID); err == nil {
				all[id] = deploy.Sleep{Name: object.Name, Since: object.Status.AsleepSince.Time}
			}
		}
		return all, nil
	}
}
