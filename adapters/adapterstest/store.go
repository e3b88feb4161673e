package adapterstest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// Example is an adapter of that name as a Service hands it to a Store.
func Example(name string) adapters.Adapter {
	created := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return adapters.Adapter{
		ID: adapters.NewUID(),
		Spec: adapters.Spec{
			Name:                 name,
			ImageName:            adapters.BridgeImage,
			ImageVersion:         "1.0.0",
			EnvironmentVariables: map[string]string{"MCP_COMMAND": "npx", "MCP_ARGS": "-y <server> \u2028 \"quoted\""},
			ReplicaCount:         2,
			Description:          "For tests, with ümlauts",
			UseWorkloadIdentity:  true,
			RequiredRoles:        []string{"tools.read", "tools.write"},
			Labels:               map[string]string{"team": "blue"},
		},
		CreatedBy:     "https://issuer.example|alice",
		CreatedAt:     created,
		LastUpdatedAt: created.Add(time.Hour),
		Generation:    3,
		Origin:        "whose:what",
	}
}

// TestStore is the suite that every Store passes. open returns a new and empty
// one, and sees to its end with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) adapters.Store) {
	t.Run("keeps all of a record", func(t *testing.T) { testKeeps(t, open(t)) })
	t.Run("gives empty values for absent ones", func(t *testing.T) { testEmptyValues(t, open(t)) })
	t.Run("shares no memory", func(t *testing.T) { testNoSharing(t, open(t)) })
	t.Run("refuses a name twice", func(t *testing.T) { testExists(t, open(t)) })
	t.Run("does not find what is not there", func(t *testing.T) { testNotFound(t, open(t)) })
	t.Run("lists in order of name", func(t *testing.T) { testList(t, open(t)) })
	t.Run("updates and deletes on condition", func(t *testing.T) { testConditions(t, open(t)) })
	t.Run("updates one life only", func(t *testing.T) { testOtherLife(t, open(t)) })
	t.Run("never gives a revision twice", func(t *testing.T) { testRevisions(t, open(t)) })
	t.Run("lets one of many creators win", func(t *testing.T) { testConcurrentCreate(t, open(t)) })
	t.Run("loses no update", func(t *testing.T) { testConcurrentUpdate(t, open(t)) })
	t.Run("tells of changes", func(t *testing.T) { testChanges(t, open(t)) })
	t.Run("ends with the context", func(t *testing.T) { testContext(t, open(t)) })
}

func testKeeps(t *testing.T, s adapters.Store) {
	want := Example("one")
	created := must(s.Create(t.Context(), want))(t)
	if created.Revision == "" || len(created.ID) != len(want.ID) || created.CreatedAt.IsZero() || created.Generation < 1 {
		t.Errorf("Create gave revision %q, id %q, created at %v, generation %d", created.Revision, created.ID, created.CreatedAt, created.Generation)
	}
	want = decided(want, created)
	diff(t, want, created)
	diff(t, want, must(s.Get(t.Context(), "one"))(t))
	diff(t, []adapters.Adapter{want}, must(s.List(t.Context()))(t))

	want.Description, want.Generation, want.CreatedBy = "changed", 4, "bob"
	updated := must(s.Update(t.Context(), want, ""))(t)
	if updated.Revision == created.Revision {
		t.Error("Update kept the revision")
	}
	if updated.ID != created.ID || !updated.CreatedAt.Equal(created.CreatedAt) || updated.Generation <= created.Generation {
		t.Errorf("Update made id %s of %s, time %v of %v, generation %d of %d", updated.ID, created.ID,
			updated.CreatedAt, created.CreatedAt, updated.Generation, created.Generation)
	}
	want = decided(want, updated)
	diff(t, want, updated)
	diff(t, want, must(s.Get(t.Context(), "one"))(t))

	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	diff(t, []adapters.Adapter{}, must(s.List(t.Context()))(t))
}

func testEmptyValues(t *testing.T, s adapters.Store) {
	a := Example("one")
	a.ImageName, a.EnvironmentVariables, a.RequiredRoles, a.Labels = "server", nil, nil, nil
	created := must(s.Create(t.Context(), a))(t)
	for _, got := range []adapters.Adapter{created, must(s.Get(t.Context(), "one"))(t)} {
		if got.EnvironmentVariables == nil || got.RequiredRoles == nil || got.Labels != nil {
			t.Errorf("environment %#v, roles %#v, labels %#v: want empty, empty, nil",
				got.EnvironmentVariables, got.RequiredRoles, got.Labels)
		}
	}
}

func testNoSharing(t *testing.T, s adapters.Store) {
	a := Example("one")
	created := must(s.Create(t.Context(), a))(t)
	for _, mine := range []adapters.Adapter{a, created, must(s.Get(t.Context(), "one"))(t), must(s.List(t.Context()))(t)[0]} {
		mine.EnvironmentVariables["MCP_COMMAND"] = "changed"
		mine.RequiredRoles[0] = "changed"
		mine.Labels["team"] = "changed"
	}
	diff(t, Example("one").Spec, must(s.Get(t.Context(), "one"))(t).Spec)
}

func testExists(t *testing.T, s adapters.Store) {
	first := must(s.Create(t.Context(), Example("one")))(t)
	_, err := s.Create(t.Context(), Example("one"))
	wantError(t, err, adapters.ErrExists)
	diff(t, first, must(s.Get(t.Context(), "one"))(t))
}

func testNotFound(t *testing.T, s adapters.Store) {
	_, err := s.Get(t.Context(), "none")
	wantError(t, err, adapters.ErrNotFound)
	_, err = s.Update(t.Context(), Example("none"), "")
	wantError(t, err, adapters.ErrNotFound)
	_, err = s.Update(t.Context(), Example("none"), "1")
	wantError(t, err, adapters.ErrNotFound)
	wantError(t, s.Delete(t.Context(), "none", ""), adapters.ErrNotFound)
	wantError(t, s.Delete(t.Context(), "none", "1"), adapters.ErrNotFound)
	diff(t, []adapters.Adapter{}, must(s.List(t.Context()))(t))
}

func testList(t *testing.T, s adapters.Store) {
	for _, name := range []string{"b", "a-b", "a", "10", "9"} {
		must(s.Create(t.Context(), Example(name)))(t)
	}
	names := []string{}
	for _, a := range must(s.List(t.Context()))(t) {
		names = append(names, a.Name)
	}
	diff(t, []string{"10", "9", "a", "a-b", "b"}, names)
}

func testConditions(t *testing.T, s adapters.Store) {
	first := must(s.Create(t.Context(), Example("one")))(t)
	second := must(s.Update(t.Context(), changed(first), first.Revision))(t)
	_, err := s.Update(t.Context(), first, first.Revision)
	wantError(t, err, adapters.ErrStale)
	wantError(t, s.Delete(t.Context(), "one", first.Revision), adapters.ErrStale)
	diff(t, second, must(s.Get(t.Context(), "one"))(t))
	if err := s.Delete(t.Context(), "one", second.Revision); err != nil {
		t.Errorf("deleting at the current revision: %v", err)
	}
}

func testOtherLife(t *testing.T, s adapters.Store) {
	first := must(s.Create(t.Context(), Example("one")))(t)
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	second := must(s.Create(t.Context(), Example("one")))(t)
	_, err := s.Update(t.Context(), first, "")
	wantError(t, err, adapters.ErrStale)
	diff(t, second, must(s.Get(t.Context(), "one"))(t))
}

func testRevisions(t *testing.T, s adapters.Store) {
	seen := map[adapters.Revision]bool{}
	for range 3 {
		a := must(s.Create(t.Context(), Example("one")))(t)
		b := must(s.Update(t.Context(), changed(a), ""))(t)
		if err := s.Delete(t.Context(), "one", ""); err != nil {
			t.Fatal(err)
		}
		for _, revision := range []adapters.Revision{a.Revision, b.Revision} {
			if seen[revision] {
				t.Errorf("revision %s was given twice", revision)
			}
			seen[revision] = true
		}
	}
}

func testConcurrentCreate(t *testing.T, s adapters.Store) {
	const creators = 8
	errs := make([]error, creators)
	var done sync.WaitGroup
	for i := range creators {
		done.Go(func() { _, errs[i] = s.Create(t.Context(), Example("one")) })
	}
	done.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, adapters.ErrExists) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d creators of one name succeeded", won)
	}
}

func testConcurrentUpdate(t *testing.T, s adapters.Store) {
	const writers = 8
	a := Example("one")
	a.Description = "0"
	must(s.Create(t.Context(), a))(t)
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for {
				current, err := s.Get(t.Context(), "one")
				if err != nil {
					t.Error(err)
					return
				}
				count, _ := strconv.Atoi(current.Description)
				current.Description = strconv.Itoa(count + 1)
				if _, err = s.Update(t.Context(), current, current.Revision); err == nil {
					return
				}
				if !errors.Is(err, adapters.ErrStale) {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	if got := must(s.Get(t.Context(), "one"))(t).Description; got != strconv.Itoa(writers) {
		t.Errorf("%d updates left a count of %s", writers, got)
	}
}

func testChanges(t *testing.T, s adapters.Store) {
	first, second := s.Changes(t.Context()), s.Changes(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	s.Changes(ctx)
	a := must(s.Create(t.Context(), Example("one")))(t)
	receive(t, first, "Create")
	cancel()
	must(s.Update(t.Context(), changed(a), ""))(t)
	receive(t, first, "Update")
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	receive(t, first, "Delete")
	receive(t, second, "three changes")
	// A listener that never reads must not hold up a writer.
	for i := range 100 {
		must(s.Create(t.Context(), Example(fmt.Sprintf("n%d", i))))(t)
	}
	receive(t, first, "a hundred changes")
}

func testContext(t *testing.T, s adapters.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Create(ctx, Example("one"))
	wantError(t, err, context.Canceled)
	_, err = s.List(ctx)
	wantError(t, err, context.Canceled)
	diff(t, []adapters.Adapter{}, must(s.List(t.Context()))(t))
}
