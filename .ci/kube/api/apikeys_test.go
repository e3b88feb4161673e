package api

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/kube"
)

// TestAPIKeys: what one control plane changes the others hear of, and none undoes
// what another did.
func TestAPIKeys(t *testing.T) {
	ns := newNamespace(t)
	one, other := connect(t, ns), connect(t, ns, func(cfg *kube.Config) { cfg.Identity = "other" })
	store := apikeys.NewDocumentStore(one.APIKeys())
	heard := func(part string) func() bool {
		return func() bool {
			text, _, err := other.APIKeys().Heard()
			return err == nil && (part == "" && len(text) == 0 || part != "" && containsText(text, part))
		}
	}
	eventually(t, "there are none", heard(""))
	if err := store.Create(t.Context(), apikeys.Key{ID: "first"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first", heard("first"))
	if err := other.APIKeys().Write(t.Context(), []byte("{}"), ""); !errors.Is(err, apikeys.ErrChanged) {
		t.Errorf("writing as if there were none: %v", err)
	}
	_, old, err := one.APIKeys().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := apikeys.NewDocumentStore(other.APIKeys()).Create(t.Context(), apikeys.Key{ID: "second"}); err != nil {
		t.Fatal(err)
	}
	if err := one.APIKeys().Write(t.Context(), []byte("{}"), old); !errors.Is(err, apikeys.ErrChanged) {
		t.Errorf("writing over another's: %v", err)
	}
	if keys, err := store.List(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%v, error %v", keys, err)
	}
	if err := store.Delete(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first is revoked", func() bool { return heard("second")() && !heard("first")() })
	if err := one.APIKeys().Write(t.Context(), make([]byte, 2<<20), old); !errors.Is(err, apikeys.ErrFull) {
		t.Errorf("writing too much: %v", err)
	}
	secret := new(corev1.Secret)
	if !there(t, key(ns, kube.APIKeysSecret), secret) {
		t.Fatal("there is no Secret")
	}
	if err := server.admin.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are revoked", heard(""))
}
