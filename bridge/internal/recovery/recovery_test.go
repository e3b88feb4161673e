package recovery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

var (
	key    = bytes.Repeat([]byte("k"), keys.SealingKeyBytes)
	params = json.RawMessage(`{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}`)
)

func open(t *testing.T, key []byte, dir string) *recovery.Keeper {
	t.Helper()
	k, err := recovery.Open(key, dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAnIDSaysWhatTheSessionIs(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UTC().Truncate(time.Second)
	want := recovery.Session{Initialize: params, Principal: "ann", Born: now}
	id := open(t, key, dir).Mint(want)
	for _, c := range id {
		if c < 0x21 || c > 0x7e {
			t.Fatalf("the id has %q", c)
		}
	}
	// Another replica, with the same key and notes of its own.
	got, notes, ok := open(t, key, t.TempDir()).Read(id, now)
	if !ok || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(notes, recovery.Notes{}) {
		t.Errorf("got %+v, %+v, %v", got, notes, ok)
	}
	for name, ok := range map[string]bool{
		"another key": read(open(t, bytes.Repeat([]byte("x"), 32), dir), id, now),
		"too old":     read(open(t, key, dir), id, now.Add(25*time.Hour)),
		"changed":     read(open(t, key, dir), "A"+id[1:], now) && id[0] != 'A',
		"nonsense":    read(open(t, key, dir), "nonsense", now),
	} {
		if ok {
			t.Errorf("%s is taken", name)
		}
	}
}

func read(k *recovery.Keeper, id string, now time.Time) bool {
	_, _, ok := k.Read(id, now)
	return ok
}

func TestLargeInitializeHasAnIDAllTheSame(t *testing.T) {
	k := open(t, key, t.TempDir())
	var noise []byte
	for i := range 4000 {
		noise = append(noise, "0123456789abcdef"[(i*i*7919+i*104729)%16], byte('a'+i*31%26))
	}
	text, err := json.Marshal(string(noise))
	if err != nil {
		t.Fatal(err)
	}
	large := k.Mint(recovery.Session{Initialize: text, Born: time.Now()})
	repeated := k.Mint(recovery.Session{Initialize: json.RawMessage(`"` + strings.Repeat("x", 10_000) + `"`), Born: time.Now()})
	if len(large) > 1000 || len(repeated) > 1000 || !read(k, repeated, time.Now()) {
		t.Errorf("ids of %d and %d characters", len(large), len(repeated))
	}
}

func TestNotes(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	k := open(t, key, dir)
	id, other := k.Mint(recovery.Session{Initialize: params, Born: now}), k.Mint(recovery.Session{Initialize: params, Born: now})
	want := recovery.Notes{Version: "2025-11-25", LogLevel: "info", Resources: []string{"u"}}
	if _, err := k.Note(id, want); err != nil {
		t.Fatal(err)
	}
	if _, notes, ok := open(t, key, dir).Read(id, now); !ok || !reflect.DeepEqual(notes, want) {
		t.Errorf("got %+v, %v", notes, ok)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 || strings.Contains(files[0], id) {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if read(k, id, now) {
		t.Error("a session with broken notes is taken")
	}
	if err := k.End(id); err != nil {
		t.Fatal(err)
	}
	if read(k, id, now) || !read(k, other, now) {
		t.Error("the wrong session has ended")
	}
	if err := k.Sweep(now.Add(time.Hour)); err != nil || read(k, id, now) {
		t.Errorf("the end is forgotten too early, %v", err)
	}
	if err := k.Sweep(now.Add(25 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("%v is left", files)
	}
}

// TestAnEndCannotBeUndone has several bridges share the notes.
func TestAnEndCannotBeUndone(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	one, two := open(t, key, dir), open(t, key, dir)
	id := one.Mint(recovery.Session{Initialize: params, Born: now})
	if got := one.Edition(id); got != (recovery.Edition{}) {
		t.Errorf("before there are notes: %v", got)
	}
	ours, err := one.Note(id, recovery.Notes{Holder: "one"})
	if err != nil || two.Edition(id) != ours {
		t.Fatalf("%v, %v, %v", ours, two.Edition(id), err)
	}
	theirs, err := two.Note(id, recovery.Notes{Holder: "two"})
	if err != nil || one.Edition(id) != theirs || theirs == ours {
		t.Fatalf("%v, %v, %v", ours, theirs, err)
	}
	if notes, err := one.Notes(id); err != nil || notes.Holder != "two" {
		t.Errorf("%+v, %v", notes, err)
	}
	if err := one.End(id); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Note(id, recovery.Notes{Holder: "two"}); !errors.Is(err, recovery.ErrEnded) {
		t.Errorf("a note on an ended session: %v", err)
	}
	if notes, err := two.Notes(id); err != nil || !notes.Ended || one.Edition(id) == theirs || read(two, id, now) {
		t.Errorf("%+v, %v", notes, err)
	}
}
