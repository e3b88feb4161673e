package adapterstest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

// patience is how long the suite waits for what must come.
const patience = 10 * time.Second

// decided is want with what a Store may decide by itself as it is in got.
func decided(want, got adapters.Adapter) adapters.Adapter {
	want.ID, want.CreatedAt, want.Generation, want.Revision = got.ID, got.CreatedAt, got.Generation, got.Revision
	return want
}

// changed is a with another Spec.
func changed(a adapters.Adapter) adapters.Adapter {
	a.Description += " changed"
	return a
}

// must is value where err is nil, and otherwise the end of the test.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func diff(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func receive(t *testing.T, changes <-chan struct{}, after string) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(patience):
		t.Fatalf("no change was told of after %s", after)
	}
}
