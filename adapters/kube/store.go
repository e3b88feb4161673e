package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// writeAttempts is how often a write is tried again when somebody else's came
// between reading an object and writing it.
const writeAttempts = 10

// Store is the adapters of a namespace, as custom resources. Get, and what
// changes adapters, ask the API server, so that replicas of the control plane
// agree; lists come from the cache, which has at least what this Store wrote.
type Store struct {
	adapters.Notifier
	namespace string
	check     func(adapters.Spec) []adapters.Fault
	limits    adapters.Limits
	log       *slog.Logger

	// client writes, and reads from the cache; live reads from the API server.
	client client.Client
	live   client.Reader
	cache  cache.Cache
	// filled is closed once the cache has everything.
	filled chan struct{}

	verdicts verdicts
	readings atomic.Pointer[readings]

	mu sync.Mutex
	// reported holds the objects that the log has as unreadable, and why, so that
	// each is there once.
	reported map[string]string
}

var _ adapters.Store = (*Store)(nil)

func newStore(cfg Config, objects cluster.Cluster) *Store {
	s := &Store{
		namespace: cfg.Namespace, check: cfg.Check, limits: cfg.Limits, log: cfg.Log,
		client: client.WithFieldOwner(objects.GetClient(), fieldManager), live: objects.GetAPIReader(), cache: objects.GetCache(),
		filled: make(chan struct{}), reported: map[string]string{},
	}
	s.readings.Store(&readings{})
	return s
}

// Create implements adapters.Store.
func (s *Store) Create(ctx context.Context, a adapters.Adapter) (adapters.Adapter, error) {
	if err := s.awaitCache(ctx); err != nil {
		return adapters.Adapter{}, err
	}
	object := &v1alpha1.MCPAdapter{ObjectMeta: metav1.ObjectMeta{Name: a.Name, Namespace: s.namespace}}
	references, added := place(object, nil, a.SecretEnvironmentVariables)
	setSpec(object, a.Spec, references)
	describe(object, a)
	err := s.client.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) {
		return adapters.Adapter{}, adapters.ErrExists
	}
	if err != nil {
		return adapters.Adapter{}, told(err)
	}
	if err := s.writeSecret(ctx, object, added, references); err != nil {
		// Without them it could never run, and its name would be taken.
		undo := context.WithoutCancel(ctx)
		return adapters.Adapter{}, errors.Join(told(err), client.IgnoreNotFound(s.client.Delete(undo, object, client.Preconditions{UID: &object.UID})))
	}
	return s.written(object, a)
}

// written is a as it is in object.
func (s *Store) written(object *v1alpha1.MCPAdapter, a adapters.Adapter) (adapters.Adapter, error) {
	stored, err := described(object)
	if err != nil {
		return adapters.Adapter{}, err
	}
	stored.Spec = a.Normalize()
	return stored, nil
}

// Get implements adapters.Store.
func (s *Store) Get(ctx context.Context, name string) (adapters.Adapter, error) {
	_, a, err := s.get(ctx, name)
	return a, err
}

// get is the object of that name as the API server has it, and what it says.
func (s *Store) get(ctx context.Context, name string) (*v1alpha1.MCPAdapter, adapters.Adapter, error) {
	if !adapters.ValidName(name) {
		return nil, adapters.Adapter{}, adapters.ErrNotFound
	}
	object := &v1alpha1.MCPAdapter{}
	err := s.live.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, object)
	if apierrors.IsNotFound(err) || err == nil && object.DeletionTimestamp != nil {
		return nil, adapters.Adapter{}, adapters.ErrNotFound
	}
	if err != nil {
		return nil, adapters.Adapter{}, fmt.Errorf("asking Kubernetes: %w", err)
	}
	a, err := s.read(object, s.liveSecrets(ctx))
	return object, a, err
}

// List implements adapters.Store. An object that cannot be read is left out and
// logged, once: it must not hold back the others.
func (s *Store) List(ctx context.Context) ([]adapters.Adapter, error) {
	all, _, err := s.all(ctx)
	return all, err
}

// Unreadable implements adapters.Store.
func (s *Store) Unreadable(ctx context.Context) ([]*adapters.UnreadableError, error) {
	_, locked, err := s.all(ctx)
	return locked, err
}

// all are the adapters, and the objects that cannot be read, by name.
func (s *Store) all(ctx context.Context) (all []adapters.Adapter, locked []*adapters.UnreadableError, err error) {
	if err := s.awaitCache(ctx); err != nil {
		return nil, nil, err
	}
	var list v1alpha1.MCPAdapterList
	if err := s.client.List(ctx, &list, client.InNamespace(s.namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing adapters in the cache: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.MCPAdapter) int { return strings.Compare(x.Name, y.Name) })
	all = make([]adapters.Adapter, 0, len(list.Items))
	before, now := *s.readings.Load(), make(readings, len(list.Items))
	for i := range list.Items {
		object := &list.Items[i]
		if object.DeletionTimestamp != nil {
			continue
		}
		if a, found := before.of(object); found {
			now[object.Name] = before[object.Name]
			all = append(all, a)
			continue
		}
		a, err := s.read(object, s.cachedSecrets(ctx))
		var unreadable *adapters.UnreadableError
		switch {
		case errors.As(err, &unreadable):
			locked = append(locked, unreadable)
		case err != nil:
			return nil, nil, err
		default:
			all = append(all, a)
			if known, ok := s.readingOf(object, a); ok {
				now[object.Name] = known
			}
		}
	}
	s.verdicts.keep(list.Items)
	s.readings.Store(&now)
	s.report(ctx, locked)
	return all, locked, nil
}

// Update implements adapters.Store.
func (s *Store) Update(ctx context.Context, a adapters.Adapter, ifAt adapters.Revision) (adapters.Adapter, error) {
	for attempt := 1; ; attempt++ {
		updated, err := s.update(ctx, a, ifAt)
		if !retryable(err) {
			return updated, err
		}
		if attempt == writeAttempts {
			return adapters.Adapter{}, adapters.ErrStale
		}
	}
}

func (s *Store) update(ctx context.Context, a adapters.Adapter, ifAt adapters.Revision) (adapters.Adapter, error) {
	if err := s.awaitCache(ctx); err != nil {
		return adapters.Adapter{}, err
	}
	object, current, err := s.get(ctx, a.Name)
	if err != nil {
		return adapters.Adapter{}, err
	}
	if current.ID != a.ID || ifAt != "" && current.Revision != ifAt {
		return adapters.Adapter{}, adapters.ErrStale
	}
	references, added := place(object, current.SecretEnvironmentVariables, a.SecretEnvironmentVariables)
	if err := s.writeSecret(ctx, object, added, object.Spec.SecretEnvironmentVariables, references); err != nil {
		return adapters.Adapter{}, told(err)
	}
	setSpec(object, a.Spec, references)
	describe(object, a)
	err = s.client.Update(ctx, object)
	if apierrors.IsNotFound(err) {
		return adapters.Adapter{}, adapters.ErrNotFound
	}
	if err != nil {
		return adapters.Adapter{}, told(err)
	}
	return s.written(object, a)
}

// Delete implements adapters.Store. Without a condition it removes an object that
// cannot be read, too.
func (s *Store) Delete(ctx context.Context, name string, ifAt adapters.Revision) error {
	for attempt := 1; ; attempt++ {
		err := s.remove(ctx, name, ifAt)
		if !retryable(err) {
			return err
		}
		if attempt == writeAttempts {
			return adapters.ErrStale
		}
	}
}

func (s *Store) remove(ctx context.Context, name string, ifAt adapters.Revision) error {
	if err := s.awaitCache(ctx); err != nil {
		return err
	}
	object, current, err := s.get(ctx, name)
	if errors.Is(err, adapters.ErrUnreadable) && ifAt == "" {
		err = nil
	}
	if err != nil {
		return err
	}
	if ifAt != "" && current.Revision != ifAt {
		return adapters.ErrStale
	}
	err = s.client.Delete(ctx, object, exactly(object))
	if apierrors.IsNotFound(err) {
		return adapters.ErrNotFound
	}
	return told(err)
}

// exactly is the condition that object is what it was when it was read.
func exactly(object *v1alpha1.MCPAdapter) client.Preconditions {
	return client.Preconditions{UID: &object.UID, ResourceVersion: &object.ResourceVersion}
}

// retryable reports whether somebody else's write came between.
func retryable(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// told is err as the Store's caller is told of it.
func told(err error) error {
	switch {
	case err == nil, errors.Is(err, adapters.ErrUnsupported), retryable(err):
		return err
	case apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Errorf("%w: the adapter is larger than what Kubernetes keeps", adapters.ErrUnsupported)
	}
	return fmt.Errorf("asking Kubernetes: %w", err)
}
