package bolt_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/bolt"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

// sealing opens a store whose key is in the file of that name beside it.
func sealing(t *testing.T, path, key string) *bolt.Store {
	t.Helper()
	s, err := bolt.OpenSealing(path, filepath.Join(filepath.Dir(path), key), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func withSecret(name string) adapters.Adapter {
	a := adapterstest.Example(name)
	a.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": "the-value-of-the-secret"}
	return a
}

func TestSecretsAreSealedInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	s := sealing(t, path, "key")
	created, err := s.Create(t.Context(), withSecret("one"))
	if err != nil {
		t.Fatal(err)
	}
	changed := created
	changed.Description = "changed"
	if changed, err = s.Update(t.Context(), changed, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), adapterstest.Example("plain")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	file, err := os.ReadFile(path)
	if err != nil || bytes.Contains(file, []byte("the-value-of")) {
		t.Errorf("the secret is in the file; error %v", err)
	}

	s = sealing(t, path, "key")
	got, err := s.Get(t.Context(), "one")
	if d := cmp.Diff(changed, got); d != "" || err != nil || got.Secrets()["TOKEN"] != "the-value-of-the-secret" {
		t.Errorf("error %v, (-want +got):\n%s", err, d)
	}
	closeStore(t, s)

	// With another key that adapter alone is lost.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "other"), bytes.Repeat([]byte{1}, keys.SealingKeyBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	s = sealing(t, path, "other")
	defer closeStore(t, s)
	if _, err := s.Get(t.Context(), "one"); !errors.Is(err, adapters.ErrUnreadable) || !errors.Is(err, keys.ErrNotSealed) {
		t.Errorf("with another key: error %v", err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].Name != "plain" {
		t.Errorf("%d adapters are listed, error %v", len(all), err)
	}
	locked, err := s.Unreadable(t.Context())
	if err != nil || len(locked) != 1 || locked[0].Name != "one" || locked[0].ID != created.ID {
		t.Errorf("unreadable are %v, error %v", locked, err)
	}
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Errorf("it cannot be deleted: %v", err)
	}
}

// TestNoNewKeyWhileTheOldOneIsMissed: a key that comes back must not find secrets
// that were sealed with another one in the meantime.
func TestNoNewKeyWhileTheOldOneIsMissed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	s := sealing(t, path, "key")
	if _, err := s.Create(t.Context(), withSecret("one")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = sealing(t, path, "missing")
	defer closeStore(t, s)
	missing := filepath.Join(filepath.Dir(path), "missing")
	if _, err := s.Create(t.Context(), withSecret("two")); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("a secret beside one that cannot be read: error %v", err)
	}
	if _, err := s.Create(t.Context(), adapterstest.Example("plain")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), withSecret("one")); err != nil {
		t.Errorf("it cannot be made anew: %v", err)
	}
	if got, err := s.Get(t.Context(), "one"); err != nil || got.Secrets()["TOKEN"] == "" {
		t.Error(err)
	}
}

func TestKeyOfAnotherLengthIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.OpenSealing(file+".db", file, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it is taken")
	}
}

func TestNoSecretsWithoutAKey(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "adapters.db"), slog.New(slog.DiscardHandler))
	defer closeStore(t, s)
	if _, err := s.Create(t.Context(), withSecret("one")); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}
