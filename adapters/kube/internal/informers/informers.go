// Package informers has handlers told of objects of several kinds. What a change
// means is theirs to know.
package informers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watched is a kind of object, and who is told of those.
type Watched struct {
	// Object is any of the kind. Required.
	Object client.Object
	// Handler is told. Required.
	Handler toolscache.ResourceEventHandler
}

// Watch has the handlers told of what the cache has and of what changes in it,
// until remove. It does not wait for the cache to be filled.
func Watch(ctx context.Context, from cache.Cache, kinds []Watched) (remove func(), err error) {
	var removers []func()
	remove = func() {
		for _, r := range removers {
			r()
		}
	}
	for _, kind := range kinds {
		informer, err := from.GetInformer(ctx, kind.Object, cache.BlockUntilSynced(false))
		if err != nil {
			remove()
			return nil, fmt.Errorf("watching %T: %w", kind.Object, err)
		}
		registration, err := informer.AddEventHandler(kind.Handler)
		if err != nil {
			remove()
			return nil, fmt.Errorf("watching %T: %w", kind.Object, err)
		}
		// It fails only where the informer has ended, and the handler with it.
		removers = append(removers, func() { _ = informer.RemoveEventHandler(registration) })
	}
	return remove, nil
}
