package adapters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// withdrawLimit is how long Delete waits for Envoy, which answers within
// milliseconds unless it is not there.
const withdrawLimit = time.Second

// updateAttempts is how often an unconditional change is tried again when
// another one came between reading the record and writing it.
const updateAttempts = 10

// Programmer knows whether Envoy has an adapter's configuration.
type Programmer interface {
	// Programmed is the ConditionProgrammed of a: True once Envoy has accepted
	// the current configuration with the replicas that the Deployer has now,
	// False when it refused it, else Unknown.
	Programmed(a Adapter) Condition
	// Withdrawn returns once no Envoy serves the adapter of that id, which was
	// deleted, or ctx ends.
	Withdrawn(ctx context.Context, id UID)
}

// ServiceConfig is what a Service works with.
type ServiceConfig struct {
	// Store and Deployer are required.
	Store    Store
	Deployer Deployer
	// Check returns what Spec.Validate cannot know: what is wrong with
	// commands, environment names and URLs. Required.
	Check func(Spec) []Fault
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Programmer adds ConditionProgrammed to each Status, and holds Delete back
	// until Envoy knows. Nil means neither.
	Programmer Programmer
	// Traffic adds what was measured to each Status. Nil means that nothing is.
	Traffic TrafficMeter
	// Limits are the operator's. The zero value is the default.
	Limits Limits
}

// Service is what can be done with adapters, whoever asks: it validates, fills
// in what the server owns, keeps records in a Store and reports what a Deployer
// made of them. Who may ask is its caller's to judge, with the guards. It is
// safe for use by several goroutines.
type Service struct {
	cfg ServiceConfig
}

// NewService is a Service of cfg. It panics where something required is
// missing, which is a mistake of the program.
func NewService(cfg ServiceConfig) *Service {
	if cfg.Store == nil || cfg.Deployer == nil || cfg.Check == nil {
		panic("adapters: a service needs a store, a deployer and a check")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg}
}

// Guard judges the record that is about to be changed: whether the caller may
// change it, and whether it is in the state the caller expects. Its error ends
// the change and is returned as it is. It can be called several times.
type Guard func(current Adapter) error

// Validate returns everything that is wrong with s.
func (s *Service) Validate(spec Spec) []Fault {
	return MergeFaults(spec.Validate(s.cfg.Limits), s.cfg.Check(spec))
}

// accept is spec as it may be stored, or a ValidationError, or what the
// Deployer says of it.
func (s *Service) accept(spec Spec) (Spec, error) {
	if err := Invalid(MergeFaults(s.Validate(spec), spec.unkept())); err != nil {
		return Spec{}, err
	}
	if err := s.cfg.Deployer.Supports(spec); err != nil {
		return Spec{}, err
	}
	return spec.Normalize(), nil
}

// now is the time as records hold it: UTC, in microseconds.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Create stores a new adapter of principal's. A ValidationError, ErrUnsupported
// or ErrExists.
func (s *Service) Create(ctx context.Context, spec Spec, principal Principal) (Adapter, error) {
	spec, err := s.accept(spec)
	if err != nil {
		return Adapter{}, err
	}
	return s.create(ctx, spec, principal, "")
}

func (s *Service) create(ctx context.Context, spec Spec, principal Principal, origin string) (Adapter, error) {
	now := s.now()
	created, err := s.cfg.Store.Create(ctx, Adapter{
		ID:            NewUID(),
		Spec:          spec,
		CreatedBy:     principal.ID(),
		CreatedAt:     now,
		LastUpdatedAt: now,
		Generation:    1,
		Origin:        origin,
	})
	if err != nil {
		return Adapter{}, fmt.Errorf("creating adapter %q: %w", spec.Name, err)
	}
	return created, nil
}

// Get returns the adapter of that name. ErrNotFound, or an UnreadableError.
func (s *Service) Get(ctx context.Context, name string) (Adapter, error) {
	a, err := s.cfg.Store.Get(ctx, name)
	if err != nil {
		return Adapter{}, fmt.Errorf("reading adapter %q: %w", name, err)
	}
	return a, nil
}

// List returns all adapters in order of name that can be read.
func (s *Service) List(ctx context.Context) ([]Adapter, error) {
	all, err := s.cfg.Store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing adapters: %w", err)
	}
	return all, nil
}

// Patch puts what apply makes of the adapter's Spec in its place. The adapter
// keeps its id, creator and time of creation; where the Spec stays the same,
// nothing is written. The error of guard or apply, a ValidationError,
// ErrUnsupported, ErrNotFound, or ErrStale when others keep changing it.
func (s *Service) Patch(ctx context.Context, name string, guard Guard, apply func(Spec) (Spec, error)) (Adapter, error) {
	for attempt := 1; ; attempt++ {
		changed, err := s.patchOnce(ctx, name, guard, apply)
		if !errors.Is(err, errLostRace) || attempt == updateAttempts {
			return changed, err
		}
	}
}

// errLostRace is the ErrStale of a write, as opposed to that of a guard.
var errLostRace = fmt.Errorf("lost a race: %w", ErrStale)

func (s *Service) patchOnce(ctx context.Context, name string, guard Guard, apply func(Spec) (Spec, error)) (Adapter, error) {
	current, err := s.Get(ctx, name)
	if err != nil {
		return Adapter{}, err
	}
	if err := guard(current); err != nil {
		return Adapter{}, err
	}
	spec, err := apply(current.Normalize())
	if err != nil {
		return Adapter{}, err
	}
	if spec.Name != name {
		return Adapter{}, Invalid([]Fault{{Pointer: "/name", Message: "An adapter cannot be renamed."}})
	}
	if spec, err = s.accept(spec); err != nil {
		return Adapter{}, err
	}
	if spec.Equal(current.Spec) {
		return current, nil
	}
	next := current
	next.Spec = spec
	next.Generation++
	next.LastUpdatedAt = s.now()
	return lostRace(s.cfg.Store.Update(ctx, next, current.Revision))
}

func lostRace(a Adapter, err error) (Adapter, error) {
	switch {
	case errors.Is(err, ErrStale):
		return Adapter{}, fmt.Errorf("changing adapter: %w", errLostRace)
	case err != nil:
		return Adapter{}, fmt.Errorf("changing adapter: %w", err)
	}
	return a, nil
}

// Delete removes the adapter of that name, and returns when Envoy does not serve
// it any more, or was waited for in vain for a second. Of a record that cannot
// be read guard sees the name and the id alone, so that only administrators pass.
// The error of guard, ErrNotFound, or ErrStale when others keep changing it.
func (s *Service) Delete(ctx context.Context, name string, guard Guard) error {
	for attempt := 1; ; attempt++ {
		current, err := s.deletable(ctx, name)
		if err != nil {
			return err
		}
		if err := guard(current); err != nil {
			return err
		}
		err = s.cfg.Store.Delete(ctx, name, current.Revision)
		if err == nil {
			s.awaitWithdrawn(ctx, current.ID)
			return nil
		}
		if !errors.Is(err, ErrStale) || attempt == updateAttempts {
			return fmt.Errorf("deleting adapter %q: %w", name, err)
		}
	}
}

// deletable is the adapter of that name, or what is known of it: then it has no
// revision.
func (s *Service) deletable(ctx context.Context, name string) (Adapter, error) {
	current, err := s.Get(ctx, name)
	var unreadable *UnreadableError
	if errors.As(err, &unreadable) {
		return Adapter{ID: unreadable.ID, Spec: Spec{Name: name}}, nil
	}
	return current, err
}

func (s *Service) awaitWithdrawn(ctx context.Context, id UID) {
	if s.cfg.Programmer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, withdrawLimit)
	defer cancel()
	s.cfg.Programmer.Withdrawn(ctx, id)
}

// Logs writes a replica's log to w, as Deployer.Logs does. ErrNotFound where a
// has no such replica.
func (s *Service) Logs(ctx context.Context, a Adapter, opt LogOptions, w io.Writer) error {
	if err := s.cfg.Deployer.Logs(ctx, a.ID, opt, w); err != nil {
		return fmt.Errorf("reading the log of instance %d of adapter %q: %w", opt.Instance, a.Name, err)
	}
	return nil
}
