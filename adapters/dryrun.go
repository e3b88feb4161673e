package adapters

import (
	"context"
	"errors"
)

// Dry is s for finding out what a change would come to: everything is judged
// and answered as by s, and nothing is stored. What a change would come to has no
// Revision.
func (s *Service) Dry() *Service {
	cfg := s.cfg
	cfg.Store = dryStore{cfg.Store}
	// It would be waited for what never happens.
	cfg.Programmer = nil
	return &Service{cfg: cfg}
}

// dryStore judges changes by what is stored, and makes none.
type dryStore struct{ Store }

// Create implements Store.
func (d dryStore) Create(ctx context.Context, a Adapter) (Adapter, error) {
	_, err := d.Get(ctx, a.Name)
	switch {
	case err == nil, errors.Is(err, ErrUnreadable):
		return Adapter{}, ErrExists
	case !errors.Is(err, ErrNotFound):
		return Adapter{}, err
	}
	return a, nil
}

// Update implements Store.
func (d dryStore) Update(ctx context.Context, a Adapter, ifAt Revision) (Adapter, error) {
	current, err := d.judge(ctx, a.Name, ifAt)
	if err == nil && current.ID != a.ID {
		err = ErrStale
	}
	// The revision that it would get is not known.
	a.Revision = ""
	return a, err
}

// Delete implements Store.
func (d dryStore) Delete(ctx context.Context, name string, ifAt Revision) error {
	_, err := d.judge(ctx, name, ifAt)
	if ifAt == "" && errors.Is(err, ErrUnreadable) {
		return nil
	}
	return err
}

func (d dryStore) judge(ctx context.Context, name string, ifAt Revision) (Adapter, error) {
	current, err := d.Get(ctx, name)
	if err == nil && ifAt != "" && current.Revision != ifAt {
		err = ErrStale
	}
	return current, err
}
