package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer is a log that a test reads while others write.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) contains(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), s)
}

func open(t *testing.T, dir string) (*Ring, *logBuffer) {
	t.Helper()
	buf := &logBuffer{}
	ring, err := Open(Session, dir, slog.New(slog.NewTextHandler(buf, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return ring, buf
}

func run(t *testing.T, ring *Ring) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ring.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

func generate(t *testing.T, dir string) string {
	t.Helper()
	path, err := Generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func sign(t *testing.T, ring *Ring, payload string) string {
	t.Helper()
	token, err := ring.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOpenSaysWhatToDoWithoutAKey(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		_, err := Open(Session, dir, slog.New(slog.DiscardHandler))
		if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "make-key") {
			t.Errorf("error %v", err)
		}
	}
}

func TestGenerateMakesPrivateFilesInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys", "session")
	first, second := generate(t, dir), generate(t, dir)
	if first >= second {
		t.Errorf("%s does not sort before %s", first, second)
	}
	info, err := os.Stat(first)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left in the folder: %v, error %v", entries, err)
	}
}

func TestSignAndVerify(t *testing.T) {
	dir := t.TempDir()
	generate(t, dir)
	ring, _ := open(t, dir)
	token := sign(t, ring, `{"a":1}`)
	payload, keyID, err := ring.Verify(token)
	if err != nil || string(payload) != `{"a":1}` || !ring.Holds(keyID) || keyID != ring.SigningKeyID() {
		t.Errorf("payload %s, key %s, error %v", payload, keyID, err)
	}
}

func TestRingFollowsItsFolder(t *testing.T) {
	dir := t.TempDir()
	old := generate(t, dir)
	ring, log := open(t, dir)
	run(t, ring)
	token := sign(t, ring, `{}`)
	_, oldID, _ := ring.Verify(token)

	generate(t, dir)
	eventually(t, "the new key signs", func() bool { return ring.SigningKeyID() != oldID })
	if _, _, err := ring.Verify(token); err != nil {
		t.Errorf("the old key no longer verifies: %v", err)
	}

	broken := filepath.Join(dir, "29990101T000000Z.pem")
	if err := os.WriteFile(broken, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken file is logged", func() bool { return log.contains("stay in use") })
	if _, _, err := ring.Verify(token); err != nil {
		t.Errorf("a broken file took a key away: %v", err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}

	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old key is gone", func() bool { return !ring.Holds(oldID) })
	if _, _, err := ring.Verify(token); !errors.Is(err, ErrToken) {
		t.Errorf("a removed key verifies: %v", err)
	}
}

// TestSEC1 takes a key as Helm's genPrivateKey makes it, and no other kind.
func TestSEC1(t *testing.T) {
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()} {
		dir := t.TempDir()
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, "a.pem"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Session, dir, slog.New(slog.DiscardHandler)); (err == nil) != (name == "P-256") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestKeyOfLater verifies at once and signs from its time on, unless there is no
// other.
func TestKeyOfLater(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	later, err := GenerateFor(dir, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Session.load(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := GenerateFor(dir, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	generate(t, dir)
	both, err := Session.load(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if both.newest == alone.newest || both.public[alone.newest] == nil || len(both.public) != 3 {
		t.Errorf("%s signs of %v", both.newest, both.public)
	}
	then, err := Session.load(dir, now.Add(time.Hour))
	if err != nil || then.newest != alone.newest || then.equal(both) {
		t.Errorf("%s does not sign from its time on, error %v", later, err)
	}
}

// TestRingFollowsSymlinkSwap replaces keys as Kubernetes does it in a mounted
// secret: files are links into ..data, which is a link that is renamed over.
func TestRingFollowsSymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	generation := func(name string) {
		generate(t, filepath.Join(dir, name))
		made, err := filepath.Glob(filepath.Join(dir, name, "*.pem"))
		if err != nil || len(made) != 1 {
			t.Fatal(made, err)
		}
		if err := os.Rename(made[0], filepath.Join(dir, name, "key.pem")); err != nil {
			t.Fatal(err)
		}
		tmp := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(name, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	generation("..2026_1")
	if err := os.Symlink(filepath.Join("..data", "key.pem"), filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	ring, _ := open(t, dir)
	run(t, ring)
	first := ring.SigningKeyID()
	generation("..2026_2")
	eventually(t, "the swap is seen", func() bool { return ring.SigningKeyID() != first })
}
