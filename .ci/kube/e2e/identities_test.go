package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// identityKeys: each Envoy shows the public keys of identities to everybody, and
// soon those that were added.
func identityKeys(t *testing.T) {
	each := throughEach(t)
	before := keyIDs(t, each[0])
	if len(before) == 0 {
		t.Error("no key is shown")
	}
	pod := awaitPods(t, release, component("envoy"), 2, startTimeout)[0]
	made := strings.TrimSpace(kubectl(t, "", "exec", "--namespace", release, pod.Name, "--container", "extproc", "--",
		"/extproc", "make-key", "--identity-keys", "/var/lib/mooring/made"))
	inside := filepath.Join(fmt.Sprintf("/proc/%d/root", processes(t, pod, "extproc")[0]), made)
	text, err := os.ReadFile(inside)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(inside)); err != nil {
		t.Error(err)
	}
	putKey(t, "mooring-identity-keys", filepath.Base(made), text)
	for n, m := range each {
		m.With(t).Await("the new key is shown too", startTimeout, func() bool { return len(keyIDs(t, m)) == len(before)+1 })
		now := keyIDs(t, m)
		for _, id := range before {
			if !slices.Contains(now, id) {
				t.Errorf("through Envoy %d, the key %s is shown no more", n, id)
			}
		}
	}
}

// keyIDs are those of the keys that the gateway shows.
func keyIDs(t *testing.T, m *harness.Mooring) (ids []string) {
	t.Helper()
	var list jose.JSONWebKeySet
	decode(t, m.MustDo(http.StatusOK, http.MethodGet, "/.well-known/mooring-jwks.json", "").Body, &list)
	for _, key := range list.Keys {
		if !key.IsPublic() || !key.Valid() {
			t.Errorf("key %s is private or none", key.KeyID)
		}
		ids = append(ids, key.KeyID)
	}
	return ids
}
