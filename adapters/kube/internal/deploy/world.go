package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/informers"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/warnings"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// listen makes changes of what instances are made of known.
func (d *Deployer) listen(ctx context.Context) (remove func(), err error) {
	tell := toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { d.own.Notify() },
		UpdateFunc: func(any, any) { d.own.Notify() },
		DeleteFunc: func(any) { d.own.Notify() },
	}
	rescaled := tell
	rescaled.UpdateFunc = func(before, after any) {
		if generation(before) != generation(after) {
			d.own.Notify()
		}
	}
	kinds := []informers.Watched{{Object: &corev1.Pod{}, Handler: tell}, {Object: &discoveryv1.EndpointSlice{}, Handler: tell}, {Object: &appsv1.StatefulSet{}, Handler: rescaled}}
	if d.cfg.Asleep != nil {
		kinds = append(kinds, informers.Watched{Object: &v1alpha1.MCPAdapter{}, Handler: onlySleep(tell)})
	}
	return informers.Watch(ctx, d.cfg.Cache, kinds)
}

// generation is that of an object; zero of what is none.
func generation(object any) int64 {
	if o, is := object.(client.Object); is {
		return o.GetGeneration()
	}
	return 0
}

// world is what the cache has. Its objects are the cache's own, and are only
// read.
func (d *Deployer) world(ctx context.Context) (instances.World, error) {
	options := []client.ListOption{
		client.InNamespace(d.cfg.Namespace), client.MatchingLabels{objects.LabelManagedBy: objects.ManagedBy}, client.UnsafeDisableDeepCopy,
	}
	var pods corev1.PodList
	if err := d.cfg.Cache.List(ctx, &pods, options...); err != nil {
		return instances.World{}, fmt.Errorf("listing pods: %w", err)
	}
	var endpoints discoveryv1.EndpointSliceList
	if err := d.cfg.Cache.List(ctx, &endpoints, options...); err != nil {
		return instances.World{}, fmt.Errorf("listing endpoint slices: %w", err)
	}
	w := instances.World{Warnings: d.warned.Current()}
	for i := range pods.Items {
		w.Pods = append(w.Pods, &pods.Items[i])
	}
	for i := range endpoints.Items {
		w.Slices = append(w.Slices, &endpoints.Items[i])
	}
	var err error
	w.Sets, err = d.warnedOf(ctx, w.Warnings, options)
	return w, err
}

// warnedOf are the StatefulSets that warnings are about: seldom any.
func (d *Deployer) warnedOf(ctx context.Context, about map[warnings.About][]warnings.Warning, options []client.ListOption) (found []*appsv1.StatefulSet, err error) {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(about)), func(a warnings.About) bool { return a.Kind == warnings.StatefulSet }) {
		return nil, nil
	}
	var sets appsv1.StatefulSetList
	if err := d.cfg.Cache.List(ctx, &sets, options...); err != nil {
		return nil, fmt.Errorf("listing stateful sets: %w", err)
	}
	for i := range sets.Items {
		if set := &sets.Items[i]; len(about[warnings.About{Kind: warnings.StatefulSet, Name: set.Name}]) > 0 {
			found = append(found, set)
		}
	}
	return found, nil
}
