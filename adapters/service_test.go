package adapters_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Service with fakes around it.
type world struct {
	store    *adapterstest.Store
	deployer *adapterstest.Deployer
	service  *adapters.Service

	mu  sync.Mutex
	now time.Time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(change ...func(*adapters.ServiceConfig)) *world {
	w := &world{
		store:    &adapterstest.Store{},
		deployer: &adapterstest.Deployer{},
		now:      time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600)),
	}
	cfg := adapters.ServiceConfig{
		Store: w.store, Deployer: w.deployer,
		Check: func(adapters.Spec) []adapters.Fault { return nil },
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.now
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	w.service = adapters.NewService(cfg)
	return w
}

func (w *world) create(t *testing.T, spec adapters.Spec) adapters.Adapter {
	t.Helper()
	a, err := w.service.Create(t.Context(), spec, adapters.Principal{Subject: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func anyone(adapters.Adapter) error { return nil }

func TestCreate(t *testing.T) {
	w := newWorld()
	a := w.create(t, valid())
	at := time.Date(2026, 5, 6, 6, 8, 9, 123456000, time.UTC)
	want := adapters.Adapter{
		ID: a.ID, Spec: valid().Normalize(), CreatedBy: "alice", CreatedAt: at, LastUpdatedAt: at, Generation: 1, Revision: "1",
	}
	if d := cmp.Diff(want, a); d != "" || len(a.ID) != 26 {
		t.Errorf("id %q (-want +got):\n%s", a.ID, d)
	}
	if _, err := w.service.Create(t.Context(), valid(), adapters.Principal{}); !errors.Is(err, adapters.ErrExists) {
		t.Errorf("got error %v, want ErrExists", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(func(cfg *adapters.ServiceConfig) {
		cfg.Check = func(s adapters.Spec) []adapters.Fault {
			return []adapters.Fault{{Pointer: "/name", Message: "Once is enough."}, {Pointer: "/checked", Message: "No."}}
		}
	})
	var invalid *adapters.ValidationError
	_, err := w.service.Create(t.Context(), adapters.Spec{ImageName: "x", ImageVersion: "1"}, adapters.Principal{})
	if !errors.As(err, &invalid) || len(invalid.Faults) != 2 || invalid.Faults[1].Pointer != "/checked" {
		t.Errorf("got error %v, want one fault of the form and one of the check", err)
	}

	w = newWorld()
	w.deployer.SetSupports(func(adapters.Spec) error { return fmt.Errorf("only there: %w", adapters.ErrUnsupported) })
	if _, err := w.service.Create(t.Context(), valid(), adapters.Principal{}); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("got error %v, want ErrUnsupported", err)
	}
	if all, err := w.service.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("what was refused is there: %v, %v", all, err)
	}
}

// replace puts spec in place of the adapter's.
func (w *world) replace(ctx context.Context, spec adapters.Spec, guard adapters.Guard) (adapters.Adapter, error) {
	return w.service.Patch(ctx, spec.Name, guard, func(adapters.Spec) (adapters.Spec, error) { return spec, nil })
}

func TestReplace(t *testing.T) {
	w := newWorld()
	first := w.create(t, valid())
	w.pass(time.Minute)
	same, err := w.replace(t.Context(), valid(), anyone)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, same); d != "" {
		t.Errorf("an equal spec changed the record (-want +got):\n%s", d)
	}
	spec := valid()
	spec.Description = "new"
	second, err := w.replace(t.Context(), spec, anyone)
	if err != nil {
		t.Fatal(err)
	}
	want := first
	want.Description, want.Generation, want.Revision = "new", 2, second.Revision
	want.LastUpdatedAt = first.LastUpdatedAt.Add(time.Minute)
	if d := cmp.Diff(want, second); d != "" || second.Revision == first.Revision {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestChangesAreRefused(t *testing.T) {
	w := newWorld()
	before := w.create(t, valid())
	no := errors.New("no")
	refuse := func(adapters.Adapter) error { return no }
	renamed := func(s adapters.Spec) (adapters.Spec, error) { s.Name = "two"; return s, nil }
	broken := func(s adapters.Spec) (adapters.Spec, error) { s.ReplicaCount = -1; return s, nil }
	other := valid()
	other.Name = "none"

	_, replaced := w.replace(t.Context(), valid(), refuse)
	_, missing := w.replace(t.Context(), other, anyone)
	_, patched := w.service.Patch(t.Context(), "one", anyone, func(adapters.Spec) (adapters.Spec, error) { return adapters.Spec{}, no })
	_, moved := w.service.Patch(t.Context(), "one", anyone, renamed)
	_, invalid := w.service.Patch(t.Context(), "one", anyone, broken)
	for i, test := range []struct{ got, want error }{
		{replaced, no},
		{patched, no},
		{w.service.Delete(t.Context(), "one", refuse), no},
		{w.service.Delete(t.Context(), "none", anyone), adapters.ErrNotFound},
		{missing, adapters.ErrNotFound},
		{moved, adapters.ErrInvalid},
		{invalid, adapters.ErrInvalid},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%d: got error %v, want %v", i, test.got, test.want)
		}
	}
	after, err := w.service.Get(t.Context(), "one")
	if d := cmp.Diff(before, after); err != nil || d != "" {
		t.Errorf("error %v (-want +got):\n%s", err, d)
	}
}

func TestPatchLosesNoUpdate(t *testing.T) {
	const writers = 5
	w := newWorld()
	spec := valid()
	spec.Description = "0"
	w.create(t, spec)
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			_, err := w.service.Patch(t.Context(), "one", anyone, func(s adapters.Spec) (adapters.Spec, error) {
				count, err := strconv.Atoi(s.Description)
				s.Description = strconv.Itoa(count + 1)
				return s, err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if a, err := w.service.Get(t.Context(), "one"); err != nil || a.Description != strconv.Itoa(writers) {
		t.Errorf("%d updates left a count of %s (%v)", writers, a.Description, err)
	}
}

// TestGuardJudgesWhatIsChanged has another writer come between the look at the
// record and its change.
func TestGuardJudgesWhatIsChanged(t *testing.T) {
	w := newWorld()
	w.create(t, valid())
	var seen []string
	disturb := func(current adapters.Adapter) error {
		seen = append(seen, current.Description)
		if len(seen) == 1 {
			current.Description = "by another"
			_, err := w.store.Update(t.Context(), current, "")
			return err
		}
		return nil
	}
	if _, err := w.service.Patch(t.Context(), "one", disturb, func(s adapters.Spec) (adapters.Spec, error) {
		s.ReplicaCount = 3
		return s, nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"", "by another"}, seen); d != "" {
		t.Errorf("the guard saw (-want +got):\n%s", d)
	}
	a, err := w.service.Get(t.Context(), "one")
	if err != nil || a.Description != "by another" || a.ReplicaCount != 3 {
		t.Errorf("got %+v, %v: want both changes", a, err)
	}

	seen = nil
	if err := w.service.Delete(t.Context(), "one", disturb); err != nil || len(seen) != 2 {
		t.Errorf("error %v, guard called %d times, want 2", err, len(seen))
	}
}

func TestPatchGivesUp(t *testing.T) {
	w := newWorld()
	w.create(t, valid())
	disturb := func(current adapters.Adapter) error {
		_, err := w.store.Update(t.Context(), current, "")
		return err
	}
	_, err := w.service.Patch(t.Context(), "one", disturb, func(s adapters.Spec) (adapters.Spec, error) {
		s.Description += "x"
		return s, nil
	})
	if !errors.Is(err, adapters.ErrStale) {
		t.Errorf("patch: got error %v, want ErrStale", err)
	}
	if err := w.service.Delete(t.Context(), "one", disturb); !errors.Is(err, adapters.ErrStale) {
		t.Errorf("delete: got error %v, want ErrStale", err)
	}
}
