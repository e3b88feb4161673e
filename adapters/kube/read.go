package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// follow fills the cache, and tells of changes until ctx ends.
func (s *Store) follow(ctx context.Context) error {
	for _, watched := range []struct {
		object  client.Object
		changed func(old, current client.Object) bool
	}{{&v1alpha1.MCPAdapter{}, specChanged}, {&corev1.Secret{}, dataChanged}} {
		informer, err := s.cache.GetInformer(ctx, watched.object)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watching %T: %w", watched.object, err)
		}
		handler, err := informer.AddEventHandler(s.handler(watched.changed))
		if err != nil {
			return fmt.Errorf("watching %T: %w", watched.object, err)
		}
		if !toolscache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
			return nil
		}
	}
	close(s.filled)
	s.Notify()
	<-ctx.Done()
	return nil
}

// handler tells of what begins, ends and changes.
func (s *Store) handler(changed func(old, current client.Object) bool) toolscache.ResourceEventHandler {
	return toolscache.FilteringResourceEventHandler{FilterFunc: concerns, Handler: toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { s.Notify() },
		DeleteFunc: func(any) { s.Notify() },
		UpdateFunc: func(before, after any) {
			old, had := before.(client.Object)
			current, has := after.(client.Object)
			if !had || !has || changed(old, current) {
				s.Notify()
			}
		},
	}}
}

// concerns reports whether an object, or what stands for one that was deleted, can
// change what adapters say. Secrets that pods are given do not.
func concerns(object any) bool {
	secret, is := object.(*corev1.Secret)
	if !is {
		return true
	}
	owner := metav1.GetControllerOf(secret)
	return owner == nil || !isAdapter(*owner) || secret.Name == ownSecret(owner.Name)
}

// specChanged reports whether more than the status of an adapter did.
func specChanged(old, current client.Object) bool {
	return old.GetUID() != current.GetUID() || old.GetGeneration() != current.GetGeneration() ||
		(old.GetDeletionTimestamp() == nil) != (current.GetDeletionTimestamp() == nil) ||
		!maps.Equal(old.GetAnnotations(), current.GetAnnotations())
}

// dataChanged reports whether a Secret did. What is listed anew did not.
func dataChanged(old, current client.Object) bool {
	return old.GetResourceVersion() != current.GetResourceVersion()
}

func (s *Store) awaitCache(ctx context.Context) error {
	select {
	case <-s.filled:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cachedSecrets finds Secrets in the cache.
func (s *Store) cachedSecrets(ctx context.Context) finder {
	return s.finder(ctx, s.client, client.UnsafeDisableDeepCopy)
}

// liveSecrets asks the API server for them.
func (s *Store) liveSecrets(ctx context.Context) finder { return s.finder(ctx, s.live) }

func (s *Store) finder(ctx context.Context, from client.Reader, options ...client.GetOption) finder {
	return func(name string) (*corev1.Secret, error) {
		secret := &corev1.Secret{}
		err := from.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, secret, options...)
		if apierrors.IsNotFound(err) {
			return nil, noSecret
		}
		if err != nil {
			return nil, fmt.Errorf("asking Kubernetes: %w", err)
		}
		return secret, nil
	}
}

// read is what object says, or an UnreadableError.
func (s *Store) read(object *v1alpha1.MCPAdapter, find finder) (adapters.Adapter, error) {
	a, err := described(object)
	if err != nil {
		return adapters.Adapter{}, &adapters.UnreadableError{Name: object.Name, Reason: "its object in Kubernetes is damaged", Cause: err}
	}
	versions := map[string]*corev1.Secret{}
	secrets, err := secretsOf(object, func(name string) (_ *corev1.Secret, err error) {
		if versions[name] == nil {
			versions[name], err = find(name)
		}
		return versions[name], err
	})
	if fault, refused := errors.AsType[*secretFault](err); refused {
		return adapters.Adapter{}, &adapters.UnreadableError{
			Name: object.Name, ID: a.ID, Cause: fault,
			Reason: "a secret that its object in Kubernetes refers to cannot be had; the object's condition says which",
		}
	}
	if err != nil {
		return adapters.Adapter{}, err
	}
	a.Spec = specOf(object, secrets)
	if err := s.verdict(object, a.Spec, versions); err != nil {
		return adapters.Adapter{}, &adapters.UnreadableError{
			Name: object.Name, ID: a.ID, Reason: "its object in Kubernetes is not valid; the object's condition says why", Cause: err,
		}
	}
	return a, nil
}

// report logs what cannot be read, once for each reason.
func (s *Store) report(ctx context.Context, locked []*adapters.UnreadableError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := make(map[string]string, len(locked))
	for _, unreadable := range locked {
		now[unreadable.Name] = unreadable.Cause.Error()
		if s.reported[unreadable.Name] != now[unreadable.Name] {
			s.log.WarnContext(ctx, "adapter object cannot be used", "adapter", unreadable.Name, "error", unreadable.Cause)
		}
	}
	s.reported = now
}
