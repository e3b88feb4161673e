package apikeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// add puts a new key into the store and returns its id and text.
func add(t *testing.T, store Store, expires time.Time, roles ...string) (id, text string) {
	t.Helper()
	id, text = generate()
	err := store.Create(t.Context(), Key{
		ID: id, Name: "ci", Roles: roles, CreatedBy: "ann", CreatedAt: time.Now().UTC(), ExpiresAt: expires.UTC(), Hash: hash(text),
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, text
}

func reason(t *testing.T, ring *Keyring, text string) authn.Reason {
	t.Helper()
	_, err := ring.CheckKey(text)
	if err == nil {
		return ""
	}
	if strings.Contains(err.Error(), text) {
		t.Errorf("the error repeats the key: %v", err)
	}
	return authn.AsRefusal(err).Reason
}

func TestKeyLivesAndEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apikeys.json")
	store, now := NewFile(path), time.Now()
	ring := NewKeyring(path, func() time.Time { return now })
	if got := reason(t, ring, "mk_aaaaaaaaaaaaaaaa_"+strings.Repeat("A", secretLength)); got != authn.ReasonAPIKey {
		t.Errorf("without a file: reason %q", got)
	}
	id, text := add(t, store, now.Add(time.Hour), "a", "b")
	other, otherText := add(t, store, now.Add(time.Hour))
	got, err := ring.CheckKey(text)
	if err != nil {
		t.Fatal(err)
	}
	want := adapters.Principal{Issuer: Issuer, Subject: id, Name: "ci", Roles: []string{"a", "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		text string
		want authn.Reason
	}{
		"other secret":      {text[:len(text)-1] + "=", authn.ReasonAPIKey},
		"other case":        {"mk_" + strings.ToLower(text[3:]), authn.ReasonAPIKey},
		"another's secret":  {"mk_" + id + otherText[len("mk_")+idLength:], authn.ReasonAPIKey},
		"the hash":          {"mk_" + id + "_" + hash(text)[:secretLength], authn.ReasonAPIKey},
		"no secret":         {"mk_" + id + "_", authn.ReasonMalformed},
		"no prefix":         {text[3:], authn.ReasonMalformed},
		"longer":            {text + "A", authn.ReasonMalformed},
		"nothing after all": {"mk_", authn.ReasonMalformed},
	} {
		if got := reason(t, ring, c.text); got != c.want {
			t.Errorf("%s: reason %q, want %q", name, got, c.want)
		}
	}
	if err := store.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, ring, otherText); got != authn.ReasonAPIKey {
		t.Errorf("revoked: reason %q", got)
	}
	if err := store.Delete(t.Context(), other); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	if got := reason(t, ring, text); got != "" {
		t.Errorf("the one that is left: reason %q", got)
	}
	now = now.Add(time.Hour)
	if got := reason(t, ring, text); got != authn.ReasonExpired {
		t.Errorf("expired: reason %q", got)
	}
}

// TestRevocationIsSeenAtOnce changes the file as fast as it goes, so that times
// and sizes alone would not tell.
func TestRevocationIsSeenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apikeys.json")
	store := NewFile(path)
	rings := []*Keyring{NewKeyring(path, nil), NewKeyring(path, nil)}
	for range 30 {
		id, text := add(t, store, time.Now().Add(time.Hour))
		for _, ring := range rings {
			if got := reason(t, ring, text); got != "" {
				t.Fatalf("new: reason %q", got)
			}
		}
		if err := store.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for _, ring := range rings {
			if got := reason(t, ring, text); got != authn.ReasonAPIKey {
				t.Fatalf("revoked: reason %q", got)
			}
		}
	}
}

func TestFileHoldsNoSecretAndIsPrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "apikeys.json")
	store := NewFile(path)
	_, text := add(t, store, time.Now().Add(time.Hour))
	secret := text[len(text)-secretLength:]
	content, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(content), secret) {
		t.Errorf("file %s, error %v", content, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, error %v", entries, err)
	}
}

func TestBrokenFileFailsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apikeys.json")
	store, ring := NewFile(path), NewKeyring(path, nil)
	_, text := add(t, store, time.Now().Add(time.Hour))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{"", "{}", "x", `{"version":2,"keys":[]}`, `{"version":1,"keys":[],"more":1}`, `{"version":1,"Keys":[]}`, string(good[:len(good)/2])} {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := reason(t, ring, text); got != authn.ReasonUnavailable {
			t.Errorf("%q: reason %q", broken, got)
		}
		if _, err := store.List(t.Context()); err == nil {
			t.Errorf("%q: listed", broken)
		}
		if err := store.Create(t.Context(), Key{ID: "x"}); err == nil {
			t.Errorf("%q: overwritten", broken)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, ring, text); got != "" {
		t.Errorf("repaired: reason %q", got)
	}
}

func TestStoreConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apikeys.json")
	store, ring := NewFile(path), NewKeyring(path, nil)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				id, text := generate()
				if err := store.Create(t.Context(), Key{ID: id, Hash: hash(text), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
					t.Error(err)
				}
				if _, err := ring.CheckKey(text); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	keys, err := store.List(t.Context())
	if err != nil || len(keys) != 40 {
		t.Errorf("%d keys, error %v", len(keys), err)
	}
	if !slices.IsSortedFunc(keys, func(a, b Key) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
		t.Error("not in order")
	}
}

func TestStoreIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apikeys.json")
	full := content{Version: 1}
	for n := range maxKeys {
		full.Keys = append(full.Keys, Key{ID: fmt.Sprint(n)})
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(path).Create(t.Context(), Key{ID: "more"}); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"id":"a","name":"b","roles":["c"],"createdBy":"d","createdAt":"2026-01-02T03:04:05Z","expiresAt":"2026-01-02T03:04:05Z","hash":"e"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if keys, err := decode(text); err != nil && keys != nil {
			t.Error("keys with an error")
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"name":"a","roles":["b"],"expiresAt":"2026-01-02T03:04:05Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		wanted, err := decodeRequest(text)
		if err != nil {
			return
		}
		wanted.faults(time.Now(), time.Hour)
	})
}
