package keys

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// published reads a key set as whoever verifies does.
func published(t *testing.T, file string) jose.JSONWebKeySet {
	t.Helper()
	text, err := ReadPublished(file)
	if err != nil {
		t.Fatal(err)
	}
	var list jose.JSONWebKeySet
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPublishedAlready: what is there is not written again, which could fail for
// want of space and keep a program from starting.
func TestPublishedAlready(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "keys.json")
	generate(t, dir)
	var before os.FileInfo
	for range 2 {
		ring, _ := open(t, dir)
		if err := ring.Publish(file); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !os.SameFile(before, info) {
			t.Error("the file was written anew")
		}
		before = info
	}
}

func TestPublishFollowsTheRing(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "keys.json")
	old := generate(t, dir)
	ring, _ := open(t, dir)
	if err := ring.Publish(file); err != nil {
		t.Fatal(err)
	}
	run(t, ring)
	first := ring.SigningKeyID()
	if list := published(t, file); len(list.Keys) != 1 || list.Keys[0].KeyID != first || !list.Keys[0].IsPublic() {
		t.Errorf("published %v", list)
	}
	generate(t, dir)
	eventually(t, "the new key signs", func() bool { return ring.SigningKeyID() != first })
	// It was published before it signed.
	list := published(t, file)
	if len(list.Keys) != 2 || list.Keys[0].KeyID != ring.SigningKeyID() || list.Keys[1].KeyID != first {
		t.Errorf("published %v", list)
	}
	signed, err := jose.ParseSignedCompact(sign(t, ring, "{}"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(list); err != nil {
		t.Errorf("what the ring signs cannot be verified with what it publishes: %v", err)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old key is gone", func() bool { return len(published(t, file).Keys) == 1 })
}

func TestPublishFailsLoudly(t *testing.T) {
	dir := t.TempDir()
	generate(t, dir)
	ring, _ := open(t, dir)
	if err := ring.Publish(filepath.Join(dir, "missing", "keys.json")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestReadPublishedKnowsPrivateKeys(t *testing.T) {
	dir := t.TempDir()
	key, err := readKey(generate(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"private":   string(private),
		"symmetric": `{"keys":[{"kty":"oct","k":"AAAA","use":"sig"}]}`,
		"no use":    `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
	} {
		if _, err := onlyPublic([]byte(text)); !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := onlyPublic([]byte("{")); err == nil {
		t.Error("no error for broken JSON")
	}
}
