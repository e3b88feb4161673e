package apikeys_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/apikeys/apikeystest"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// TestDocumentStoreConcurrently: of several control planes none undoes what
// another has done.
func TestDocumentStoreConcurrently(t *testing.T) {
	document := new(apikeystest.Document)
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			store := apikeys.NewDocumentStore(document)
			for {
				err := store.Create(t.Context(), apikeys.Key{ID: fmt.Sprint("key", n)})
				if errors.Is(err, apikeys.ErrChanged) {
					continue // as who asked the API would
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	group.Wait()
	store := apikeys.NewDocumentStore(document)
	keys, err := store.List(t.Context())
	if err != nil || len(keys) != 4 {
		t.Errorf("%v, error %v", keys, err)
	}
	if err := store.Delete(t.Context(), "none"); !errors.Is(err, apikeys.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

// TestDocumentKeyring fails closed until something was heard, and follows.
func TestDocumentKeyring(t *testing.T) {
	document := new(apikeystest.Document)
	store, ring := apikeys.NewDocumentStore(document), apikeys.NewDocumentKeyring(document, nil)
	id, text := apikeys.Add(t, store, time.Now().Add(time.Hour), "a")
	if _, err := ring.CheckKey(text); err == nil || refused(err) {
		t.Errorf("before anything was heard: %v", err)
	}
	document.Hear()
	if who, err := ring.CheckKey(text); err != nil || who.Subject != id {
		t.Errorf("%v, error %v", who, err)
	}
	if err := store.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.CheckKey(text); !refused(err) {
		t.Errorf("a revoked key: %v", err)
	}
	if err := document.Write(t.Context(), []byte("broken"), "2"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := ring.CheckKey(text); err == nil || refused(err) {
			t.Errorf("of a broken list: %v", err)
		}
	}
}

func TestWriteFile(t *testing.T) {
	document, path := new(apikeystest.Document), filepath.Join(t.TempDir(), "keys.json")
	ring := apikeys.NewKeyring(path, nil)
	_, text := apikeys.Add(t, apikeys.NewDocumentStore(document), time.Now().Add(time.Hour))
	all, _, err := document.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for list, known := range map[string]bool{string(all): true, "": false} {
		if err := apikeys.WriteFile(path, []byte(list)); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.CheckKey(text); (err == nil) != known {
			t.Errorf("of %q: error %v", list, err)
		}
	}
	if err := apikeys.WriteFile(path, []byte(`{"version":2}`)); err == nil {
		t.Error("a list that is not understood is written")
	}
}

// refused reports whether it is the key's fault.
func refused(err error) bool {
	var refusal *authn.Refusal
	return errors.As(err, &refusal)
}
