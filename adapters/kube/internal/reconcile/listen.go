package reconcile

import (
	"context"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/informers"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// listen puts into names what changes in the cluster: adapters, what belongs to
// them, and the Secrets that they refer to. How their pods are, the Deployer
// tells.
func (r *Reconciler) listen(ctx context.Context, names queue) (remove func(), err error) {
	ours := func(o client.Object) {
		if name := o.GetLabels()[objects.LabelAdapter]; name != "" {
			names.Add(name)
		}
	}
	return informers.Watch(ctx, r.cfg.Cache, []informers.Watched{
		{Object: &v1alpha1.MCPAdapter{}, Handler: handler(func(o client.Object) { names.Add(o.GetName()) })},
		{Object: &appsv1.StatefulSet{}, Handler: handler(ours)},
		{Object: &corev1.Service{}, Handler: handler(ours)},
		{Object: &policyv1.PodDisruptionBudget{}, Handler: handler(ours)},
		{Object: &networkingv1.NetworkPolicy{}, Handler: handler(ours)},
		{Object: &corev1.Secret{}, Handler: handler(func(o client.Object) {
			ours(o)
			r.referring(ctx, o.GetName(), names)
		})},
	})
}

// handler tells of what is new, changed or gone.
func handler(tell func(client.Object)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if object, ok := o.(client.Object); ok {
				tell(object)
			}
		},
		UpdateFunc: func(before, after any) {
			old, ok := before.(client.Object)
			object, also := after.(client.Object)
			if ok && also && changed(old, object) {
				tell(object)
			}
		},
		DeleteFunc: func(o any) {
			if unknown, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			if object, ok := o.(client.Object); ok {
				tell(object)
			}
		},
	}
}

// sleeps reports whether the object is an adapter that is marked to sleep.
func sleeps(o client.Object) bool {
	adapter, is := o.(*v1alpha1.MCPAdapter)
	return is && adapter.Status.AsleepSince != nil
}

// changed reports whether more than the status did, or an adapter fell asleep or
// was woken. Kinds without a generation have no status that changes.
func changed(old, now client.Object) bool {
	if old.GetResourceVersion() == now.GetResourceVersion() {
		return false
	}
	if sleeps(old) != sleeps(now) {
		return true
	}
	return now.GetGeneration() == 0 || old.GetGeneration() != now.GetGeneration() ||
		(old.GetDeletionTimestamp() == nil) != (now.GetDeletionTimestamp() == nil) ||
		!maps.Equal(old.GetLabels(), now.GetLabels()) || !maps.Equal(old.GetAnnotations(), now.GetAnnotations())
}

// referring puts into names the adapters that have a value from the Secret.
func (r *Reconciler) referring(ctx context.Context, secret string, names queue) {
	var list v1alpha1.MCPAdapterList
	if err := r.cfg.Client.List(ctx, &list, client.InNamespace(r.cfg.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return // adapters are not known yet, and will be told of
	}
	for i := range list.Items {
		for _, reference := range list.Items[i].Spec.SecretEnvironmentVariables {
			if reference.Name == secret {
				names.Add(list.Items[i].Name)
			}
		}
	}
}
