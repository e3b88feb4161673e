package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
)

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestLogs(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	dir := w.dir(a, w.await(a, "0 Ready")[0])
	read := func(lines int) string {
		t.Helper()
		var out lockedBuffer
		if err := w.Logs(t.Context(), a.ID, adapters.LogOptions{Lines: lines}, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := read(0); got != "bridge started\n" {
		t.Errorf("got %q", got)
	}
	appendTo(t, filepath.Join(dir, logName+".1"), "old 1\nold 2\n")
	appendTo(t, filepath.Join(dir, logName), "half")
	for lines, want := range map[int]string{
		0: "old 1\nold 2\nbridge started\nhalf", 1: "half", 2: "bridge started\nhalf", 3: "old 2\nbridge started\nhalf",
	} {
		if got := read(lines); got != want {
			t.Errorf("%d lines: got %q, want %q", lines, got, want)
		}
	}
	appendTo(t, filepath.Join(dir, logName), "\n")
	appendTo(t, filepath.Join(dir, crashLogName), "panic: x\n")
	if got := read(2); got != "half\npanic: x\n" {
		t.Errorf("got %q", got)
	}
	appendTo(t, filepath.Join(dir, logName), strings.Repeat("x", maxTail)+"\nlast\n")
	if got := read(2); got != "last\npanic: x\n" {
		t.Errorf("after a line longer than the bound: %d bytes", len(got))
	}
	if err := w.Logs(t.Context(), a.ID, adapters.LogOptions{Previous: true}, &lockedBuffer{}); !errors.Is(err, adapters.ErrNoEarlierLog) {
		t.Errorf("previous: %v", err)
	}
	for _, opt := range []adapters.LogOptions{{Instance: 1}, {Instance: -1}} {
		if err := w.Logs(t.Context(), a.ID, opt, &lockedBuffer{}); !errors.Is(err, adapters.ErrNotFound) {
			t.Errorf("%+v: %v", opt, err)
		}
	}
	if err := w.Logs(t.Context(), "uid-none", adapters.LogOptions{}, &lockedBuffer{}); !errors.Is(err, adapters.ErrNotFound) {
		t.Errorf("unknown adapter: %v", err)
	}
}

func TestLogsFollow(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	first := w.await(a, "0 Ready")[0]
	path := filepath.Join(w.dir(a, first), logName)

	var out lockedBuffer
	done := make(chan error, 1)
	go func() { done <- w.Logs(t.Context(), a.ID, adapters.LogOptions{Follow: true}, &out) }()
	expect := func(want string) {
		t.Helper()
		w.eventually(fmt.Sprintf("%q is followed, got %q", want, out.String()), func() bool { return out.String() == want })
	}
	expect("bridge started\n")
	appendTo(t, path, "one\ntw")
	expect("bridge started\none\n") // whole lines only
	appendTo(t, path, "o\n")
	expect("bridge started\none\ntwo\n")

	// Lines written just before and after a rotation.
	appendTo(t, path, "three\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "four\n")
	expect("bridge started\none\ntwo\nthree\nfour\n")

	// The log goes on with the successor, and ends with the adapter.
	changed := w.adapter("a", 1, "NEW", "1")
	w.update(changed)
	w.eventually("the successor serves alone", func() bool {
		i := w.Instances()[a.ID]
		return describe(i) == "0 Ready" && i[0].ID != first.ID
	})
	w.eventually("the successor's log is followed", func() bool { return strings.HasSuffix(out.String(), "four\nbridge started\n") })
	w.delete(a)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogsEndWithTheirContextAndWriter(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	w.await(a, "0 Ready")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Logs(ctx, a.ID, adapters.LogOptions{Follow: true}, &lockedBuffer{}); err != nil {
		t.Error(err)
	}
	if err := w.Logs(t.Context(), a.ID, adapters.LogOptions{Follow: true}, brokenWriter{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }
