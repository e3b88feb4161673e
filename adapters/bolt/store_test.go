package bolt_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/bolt"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerFile); path != "" {
		os.Exit(writeForEver(path))
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string, log *slog.Logger) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *bolt.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStore(t *testing.T) {
	adapterstest.TestStore(t, func(t *testing.T) adapters.Store {
		s := open(t, filepath.Join(t.TempDir(), "adapters.db"), slog.New(slog.DiscardHandler))
		t.Cleanup(func() { closeStore(t, s) })
		return s
	})
}

func TestReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	s := open(t, path, slog.New(slog.DiscardHandler))
	first, err := s.Create(t.Context(), adapterstest.Example("one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	want, err := s.Create(t.Context(), adapterstest.Example("two"))
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = open(t, path, slog.New(slog.DiscardHandler))
	defer closeStore(t, s)
	got, err := s.Get(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	again, err := s.Create(t.Context(), adapterstest.Example("one"))
	if err != nil {
		t.Fatal(err)
	}
	if again.Revision == first.Revision || again.Revision == want.Revision {
		t.Errorf("revision %s was given twice", again.Revision)
	}
}

func TestOpenRefusesLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	s := open(t, path, slog.New(slog.DiscardHandler))
	defer closeStore(t, s)
	_, err := bolt.Open(path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got error %v, want one that names %s and the reason", err, path)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bolt.Open(path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want one that names %s", err, path)
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	closeStore(t, open(t, path, slog.New(slog.DiscardHandler)))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, path, slog.New(slog.DiscardHandler)))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
}

// damage writes value as the record of name, behind the back of a Store.
func damage(t *testing.T, path, name, value string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("adapters")).Put([]byte(name), []byte(value)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestCorruptRecord(t *testing.T) {
	for name, value := range map[string]string{
		"empty":         "",
		"no JSON":       "\x00\x01",
		"cut off":       `{"version":1,"revision":"7","adapter":{"name":"bad"`,
		"newer":         `{"version":2,"everything":"else"}`,
		"unknown field": `{"version":1,"revision":"7","generation":1,"extra":1,"adapter":{"id":"x","name":"bad"}}`,
		"other name":    `{"version":1,"revision":"7","generation":1,"adapter":{"id":"x","name":"good"}}`,
		"no id":         `{"version":1,"revision":"7","generation":1,"adapter":{"name":"bad"}}`,
	} {
		t.Run(name, func(t *testing.T) { testCorruptRecord(t, value) })
	}
}

func testCorruptRecord(t *testing.T, value string) {
	path := filepath.Join(t.TempDir(), "adapters.db")
	s := open(t, path, slog.New(slog.DiscardHandler))
	if _, err := s.Create(t.Context(), adapterstest.Example("good")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	damage(t, path, "bad", value)

	var log bytes.Buffer
	s = open(t, path, slog.New(slog.NewTextHandler(&log, nil)))
	defer closeStore(t, s)
	for range 2 {
		all, err := s.List(t.Context())
		if err != nil || len(all) != 1 || all[0].Name != "good" {
			t.Errorf("List: %v, %v: want the good one alone", all, err)
		}
	}
	if n := strings.Count(log.String(), "adapter=bad"); n != 1 {
		t.Errorf("the log names the record %d times, want once:\n%s", n, log.String())
	}
	bad := adapterstest.Example("bad")
	_, err := s.Get(t.Context(), "bad")
	_, updateErr := s.Update(t.Context(), bad, "")
	for _, err := range []error{err, updateErr, s.Delete(t.Context(), "bad", "7")} {
		if !errors.Is(err, adapters.ErrUnreadable) || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("got error %v, want ErrUnreadable that names the record", err)
		}
	}
	if _, err := s.Create(t.Context(), bad); !errors.Is(err, adapters.ErrExists) {
		t.Errorf("got error %v, want ErrExists", err)
	}
	if err := s.Delete(t.Context(), "bad", ""); err != nil {
		t.Errorf("deleting without a condition: %v", err)
	}
	if _, err := s.Create(t.Context(), bad); err != nil {
		t.Errorf("creating anew: %v", err)
	}
}
