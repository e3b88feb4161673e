// Package adapterstest holds the suite that every Store passes, and fakes of
// Store and Deployer for the tests of other packages.
package adapterstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/mooring-mcp/mooring/adapters"
)

// Store is an adapters.Store in memory. The zero value is empty and ready.
type Store struct {
	adapters.Notifier

	mu       sync.Mutex
	records  map[string]adapters.Adapter
	revision int
	err      error
	// unreadable are names of records that cannot be read.
	unreadable map[string]bool
}

var _ adapters.Store = (*Store)(nil)

// Fail makes every call answer err, until it is called with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Lock makes the record of that name one that cannot be read, or, with false,
// one that can again.
func (s *Store) Lock(name string, locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unreadable == nil {
		s.unreadable = map[string]bool{}
	}
	s.unreadable[name] = locked
	s.Notify()
}

// Unreadable implements adapters.Store.
func (s *Store) Unreadable(ctx context.Context) ([]*adapters.UnreadableError, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.broken(ctx); err != nil {
		return nil, err
	}
	var all []*adapters.UnreadableError
	for _, name := range slices.Sorted(maps.Keys(s.records)) {
		if s.unreadable[name] {
			all = append(all, s.locked(name))
		}
	}
	return all, nil
}

func (s *Store) locked(name string) *adapters.UnreadableError {
	return &adapters.UnreadableError{
		Name: name, ID: s.records[name].ID, Reason: "it is locked by a test", Cause: errors.New("locked"),
	}
}

// Create implements adapters.Store.
func (s *Store) Create(ctx context.Context, a adapters.Adapter) (adapters.Adapter, error) {
	return s.write(ctx, func() (adapters.Adapter, error) {
		if _, taken := s.records[a.Name]; taken {
			return adapters.Adapter{}, adapters.ErrExists
		}
		return s.put(a), nil
	})
}

// Get implements adapters.Store.
func (s *Store) Get(ctx context.Context, name string) (adapters.Adapter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.broken(ctx); err != nil {
		return adapters.Adapter{}, err
	}
	return s.at(name, "")
}

// List implements adapters.Store.
func (s *Store) List(ctx context.Context) ([]adapters.Adapter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.broken(ctx); err != nil {
		return nil, err
	}
	all := []adapters.Adapter{}
	for _, name := range slices.Sorted(maps.Keys(s.records)) {
		if s.unreadable[name] {
			continue
		}
		all = append(all, copied(s.records[name]))
	}
	return all, nil
}

// Update implements adapters.Store.
func (s *Store) Update(ctx context.Context, a adapters.Adapter, ifAt adapters.Revision) (adapters.Adapter, error) {
	return s.write(ctx, func() (adapters.Adapter, error) {
		current, err := s.at(a.Name, ifAt)
		if err == nil && current.ID != a.ID {
			err = adapters.ErrStale
		}
		if err != nil {
			return adapters.Adapter{}, err
		}
		return s.put(a), nil
	})
}

// Delete implements adapters.Store.
func (s *Store) Delete(ctx context.Context, name string, ifAt adapters.Revision) error {
	_, err := s.write(ctx, func() (adapters.Adapter, error) {
		if _, err := s.at(name, ifAt); err != nil && (ifAt != "" || !errors.Is(err, adapters.ErrUnreadable)) {
			return adapters.Adapter{}, err
		}
		delete(s.records, name)
		delete(s.unreadable, name)
		return adapters.Adapter{}, nil
	})
	return err
}

func (s *Store) write(ctx context.Context, do func() (adapters.Adapter, error)) (adapters.Adapter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.broken(ctx); err != nil {
		return adapters.Adapter{}, err
	}
	a, err := do()
	if err != nil {
		return adapters.Adapter{}, err
	}
	s.Notify()
	return a, nil
}

func (s *Store) broken(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	return ctx.Err()
}

func (s *Store) at(name string, ifAt adapters.Revision) (adapters.Adapter, error) {
	current, found := s.records[name]
	switch {
	case !found:
		return adapters.Adapter{}, adapters.ErrNotFound
	case s.unreadable[name]:
		return adapters.Adapter{}, s.locked(name)
	case ifAt != "" && current.Revision != ifAt:
		return adapters.Adapter{}, adapters.ErrStale
	}
	return copied(current), nil
}

func (s *Store) put(a adapters.Adapter) adapters.Adapter {
	s.revision++
	a.Revision = adapters.Revision(strconv.Itoa(s.revision))
	if s.records == nil {
		s.records = map[string]adapters.Adapter{}
	}
	s.records[a.Name] = copied(a)
	return copied(a)
}

// copied is a in memory of its own.
func copied(a adapters.Adapter) adapters.Adapter {
	a.Spec = a.Normalize()
	return a
}
