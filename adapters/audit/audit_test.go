package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t *testing.T, l *Log, n int) {
	t.Helper()
	for i := range n {
		if err := l.Append(Event{RequestID: fmt.Sprint(i), Path: `/"},"hash":"x`, Verdict: Allowed}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChainGoesOnOverRestartsAndFiles(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "audit.jsonl.1")
	first := open(t, path)
	add(t, first, 3)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, path)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { add(t, second, 5) })
	}
	group.Wait()
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	add(t, second, 2)
	got, err := Verify(old, path)
	if err != nil || got.Lines != 25 || got.Last != 25 || !got.Complete || len(got.Hash) != 64 {
		t.Errorf("%+v, error %v", got, err)
	}
	if got, err := Verify(path); err != nil || got.Lines != 2 || got.Complete {
		t.Errorf("the second file alone: %+v, error %v", got, err)
	}
	if _, err := Verify(path, old); err == nil {
		t.Error("the wrong order passes")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v", info, err)
	}
}

// TestWhatIsDoneToALineShows removes, changes, doubles and moves lines.
func TestWhatIsDoneToALineShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	add(t, open(t, path), 6)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	lines[5] += "\n"
	for what, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"removed":  {[]string{lines[0], lines[1], lines[3], lines[4]}, "line 3: a line is missing"},
		"doubled":  {[]string{lines[0], lines[1], lines[1]}, "line 3: a line is missing"},
		"moved":    {[]string{lines[0], lines[2], lines[1]}, "line 2: a line is missing"},
		"changed":  {[]string{lines[0], strings.Replace(lines[1], "allow", "deny", 1)}, "line 2: it was changed"},
		"new hash": {[]string{lines[0], resealed(lines[1]), lines[2]}, "line 3: a line is missing"},
		"no hash":  {[]string{lines[0], "{}\n"}, "line 2: it has no digest"},
		"cut off":  {[]string{lines[0], lines[1][:20]}, "cut off"},
		"spaces":   {[]string{lines[0], " " + lines[1]}, "line 2: it was changed"},
	} {
		if err := os.WriteFile(path, []byte(strings.Join(tt.lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", what, err, tt.want)
		}
	}
}

// resealed is a line that somebody changed who knows how digests are made.
func resealed(line string) string {
	body, _, _ := strings.Cut(strings.Replace(line, "allow", "deny", 1), hashMember+line[len(line)-67:len(line)-3])
	again, _ := seal([]byte(body + "}"))
	return string(again)
}

func TestOpenMendsOnlyWhatACrashDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path)
	add(t, l, 2)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Clone(whole), whole[:30]...), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, open(t, path), 1)
	if got, err := Verify(path); err != nil || got.Lines != 3 {
		t.Errorf("%+v, error %v", got, err)
	}
	if err := os.WriteFile(path, bytes.Replace(whole, []byte("allow"), []byte("deny"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("a broken file was opened")
	}
}

func FuzzRead(f *testing.F) {
	line, _ := seal([]byte(`{"seq":1,"prev":""}`))
	f.Add(line)
	f.Add([]byte(`{"hash":"x"}` + "\n"))
	f.Add([]byte(`x,"hash":"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := read(bytes.NewReader(text))
		if err == nil && c.whole > int64(len(text)) {
			t.Errorf("%d bytes of %d", c.whole, len(text))
		}
	})
}
