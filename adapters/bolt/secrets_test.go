package bolt_test

import (
	"bytes"
	"errors"
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

func sealing(t *testing.T, path string, key byte) *bolt.Store {
	t.Helper()
	sealer, err := keys.NewSealer(bytes.Repeat([]byte{key}, keys.SealingKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	s, err := bolt.OpenSealing(path, sealer, slog.New(slog.DiscardHandler))
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
	s := sealing(t, path, 1)
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

	s = sealing(t, path, 1)
	got, err := s.Get(t.Context(), "one")
	if d := cmp.Diff(changed, got); d != "" || err != nil || got.Secrets()["TOKEN"] != "the-value-of-the-secret" {
		t.Errorf("error %v, (-want +got):\n%s", err, d)
	}
	closeStore(t, s)

	// Without the key that adapter alone is lost.
	s = sealing(t, path, 2)
	defer closeStore(t, s)
	if _, err := s.Get(t.Context(), "one"); !errors.Is(err, bolt.ErrCorrupt) || !errors.Is(err, keys.ErrNotSealed) {
		t.Errorf("with another key: error %v", err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].Name != "plain" {
		t.Errorf("%d adapters are listed, error %v", len(all), err)
	}
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Errorf("it cannot be deleted: %v", err)
	}
}

func TestNoSecretsWithoutAKey(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "adapters.db"), slog.New(slog.DiscardHandler))
	defer closeStore(t, s)
	if _, err := s.Create(t.Context(), withSecret("one")); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}
