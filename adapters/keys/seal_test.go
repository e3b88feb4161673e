package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSeal(t *testing.T) {
	key, err := SealingKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.Seal([]byte("value"), "test")
	if got, err := s.Open(sealed, "test"); err != nil || string(got) != "value" {
		t.Errorf("got %q, %v", got, err)
	}
	if sealed == s.Seal([]byte("value"), "test") {
		t.Error("the same value has the same form twice")
	}
	other, err := NewSealer(bytes.Repeat([]byte("x"), SealingKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(sealed)
	flipped[3] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return s.Open(sealed, "other") },
		"another key":     func() ([]byte, error) { return other.Open(sealed, "test") },
		"changed":         func() ([]byte, error) { return s.Open(string(flipped), "test") },
		"cut":             func() ([]byte, error) { return s.Open(sealed[:10], "test") },
		"empty":           func() ([]byte, error) { return s.Open("", "test") },
		"line break":      func() ([]byte, error) { return s.Open(sealed+"\n", "test") },
	} {
		if got, err := open(); !errors.Is(err, ErrNotSealed) {
			t.Errorf("%s gives %q, %v", name, got, err)
		}
	}
}

func TestSealingKeyIsMadeOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	var group sync.WaitGroup
	made := make([][]byte, 8)
	for i := range made {
		group.Go(func() {
			var err error
			if made[i], err = SealingKey(file); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, key := range made {
		if !bytes.Equal(key, made[0]) || len(key) != SealingKeyBytes {
			t.Error("there are several keys")
		}
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, text := range []string{"", "short", string(bytes.Repeat([]byte("x"), 33))} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := SealingKey(file); err == nil {
			t.Errorf("a key of %d bytes is taken", len(text))
		}
	}
}

func TestDeriveSealingKey(t *testing.T) {
	master := bytes.Repeat([]byte("m"), SealingKeyBytes)
	a, err := DeriveSealingKey(master, "a")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := DeriveSealingKey(master, "a")
	b, _ := DeriveSealingKey(master, "b")
	if !bytes.Equal(a, again) || bytes.Equal(a, b) || len(a) != SealingKeyBytes {
		t.Error("keys are not one for each adapter")
	}
	if _, err := DeriveSealingKey(master[1:], "a"); err == nil {
		t.Error("a short master is taken")
	}
	if _, err := NewSealer(a[1:]); err == nil {
		t.Error("a short key is taken")
	}
}

func FuzzOpen(f *testing.F) {
	s, err := NewSealer(bytes.Repeat([]byte("k"), SealingKeyBytes))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Seal([]byte("seed"), "p")[1:])
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if value, err := s.Open(text, "p"); err == nil {
			t.Fatalf("opened %q", value)
		}
	})
}
