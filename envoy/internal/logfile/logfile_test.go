package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func poll(t *testing.T, w *Watcher, at time.Time) {
	t.Helper()
	if err := w.poll(at); err != nil {
		t.Fatal(err)
	}
}

func TestWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "level=WARN msg=\"of an earlier start\"\n")
	var got []string
	w := NewWatcher(path, 0, func(line string) { got = append(got, line) })
	now := time.Now()
	want := []string{
		`time=2026-11-01 level=WARN msg="text"`,
		`{"time":"2026-11-01","level":"ERROR","msg":"json"}`,
		`[2026-11-01 10:00:00.000][12][warning][main] [source/server.cc:1] envoy`,
		`[2026-11-01 10:00:00.000][12][critical][main] envoy`,
		`panic: crash`,
	}
	appendTo(t, path, `level=INFO msg="not level=... [warning]"`+"\n"+
		`{"time":"2026-11-01","level":"INFO","msg":"request","path":"/`+strings.Repeat("a", levelWithin)+`\"level=ERROR"}`+"\n"+strings.Join(want[:4], "\n")+"\npan")
	poll(t, w, now)
	appendTo(t, path, "ic: crash\n[2026-11-01 10:00:00.000][12][info][main] fine\n")
	poll(t, w, now)
	want[1] = "ERROR json"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestALongLineIsOne: what clients send is in the middle of some, wherever those
// are cut.
func TestALongLineIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var got []string
	w := NewWatcher(path, 0, func(line string) { got = append(got, line) })
	now := time.Now()
	for range 3 {
		appendTo(t, path, `{"level":"INFO","path":"`+strings.Repeat("a", 2*maxLine))
		poll(t, w, now)
		appendTo(t, path, "level=ERROR of a client\"}\n")
		poll(t, w, now)
	}
	if len(got) > 0 {
		t.Errorf("warnings: %q", got)
	}
}

// TestEmptiedAmidALine: what was of the line before is none of the first one after.
func TestEmptiedAmidALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var got []string
	w := NewWatcher(path, 0, func(line string) { got = append(got, line) })
	for name, empty := range map[string]func() error{
		"emptied": func() error { return os.Truncate(path, 0) },
		"removed": func() error {
			err := os.Remove(path)
			poll(t, w, time.Now())
			return err
		},
	} {
		appendTo(t, path, strings.Repeat("a", 2*levelWithin))
		poll(t, w, time.Now())
		if err := empty(); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, "level=ERROR first\n")
		poll(t, w, time.Now())
		if len(got) != 1 || got[0] != "level=ERROR first" {
			t.Errorf("%s: warnings: %q", name, got)
		}
		got = nil
	}
}

func TestWarningsAreLimited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var got []string
	w := NewWatcher(path, 0, func(line string) { got = append(got, line) })
	now := time.Now()
	for i := range 50 {
		appendTo(t, path, fmt.Sprintf("level=WARN n=%d\n", i))
	}
	poll(t, w, now)
	if len(got) != burst+1 || !strings.Contains(got[burst], path) {
		t.Fatalf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	appendTo(t, path, "level=WARN later\n")
	poll(t, w, now.Add(time.Minute))
	if got[len(got)-1] != "level=WARN later" {
		t.Errorf("the last line is %q", got[len(got)-1])
	}
}

func TestRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "")
	writer, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var warned int
	w := NewWatcher(path, 100, func(string) { warned++ })
	long := strings.Repeat("x", 99) + "\n"
	for _, text := range []string{long, "level=WARN after\n"} {
		if _, err := writer.WriteString(text); err != nil {
			t.Fatal(err)
		}
		poll(t, w, time.Now())
	}
	if warned != 1 {
		t.Errorf("%d warnings", warned)
	}
	for name, want := range map[string]string{path: "level=WARN after\n", path + ".1": long} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, error %v", filepath.Base(name), got, err)
		}
	}
	if tail := Tail(path, 3); tail != "level=WARN after" {
		t.Errorf("tail %q", tail)
	}
}

func TestAnEndlessLineIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w := NewWatcher(path, 0, func(string) {})
	appendTo(t, path, strings.Repeat("y", 10*maxLine))
	poll(t, w, time.Now())
	if len(w.partial) > maxLine {
		t.Errorf("%d bytes kept", len(w.partial))
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	if got := Tail(path, 2); got != "" {
		t.Errorf("tail of nothing: %q", got)
	}
	appendTo(t, path, "a\nb\nc\n")
	if got := Tail(path, 2); got != "b\nc" {
		t.Errorf("tail %q", got)
	}
}

func TestReadable(t *testing.T) {
	for line, want := range map[string]string{
		"panic: crash": "panic: crash",
		`{"a":1}`:      `{"a":1}`,
		`{"time":"t","level":"WARN","msg":"told","part":"xds","error":"no \"way\"","n":2}`: `WARN told error="no \"way\"" n="2"`,
		`{"level":"warning","msg":"told","part":"envoy","component":"main"}`:               `WARNING told component="main"`,
	} {
		if got := readable([]byte(line)); got != want {
			t.Errorf("%s: %s, not %s", line, got, want)
		}
	}
}
