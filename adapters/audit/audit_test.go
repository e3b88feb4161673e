package audit

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path, 0)
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
	if _, err := Open(path, 0); err == nil {
		t.Error("a broken file was opened")
	}
}

// TestFullFilesMakeRoom: two files at most, and one chain through both.
func TestFullFilesMakeRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(path, 2000)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	add(t, l, 40)
	got, err := Verify(path+".1", path)
	if err != nil || got.Last != 40 || got.Complete || got.Lines >= 40 {
		t.Errorf("%+v, error %v", got, err)
	}
	for _, file := range []string{path, path + ".1"} {
		if info, err := os.Stat(file); err != nil || info.Size() > 3000 {
			t.Errorf("%s: %v, error %v", file, info, err)
		}
	}
}

// TestDiskFull: what did not fit leaves nothing behind that breaks the chain.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path)
	add(t, l, 2)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()) + 50, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	failed := l.Append(Event{Verdict: Allowed}, Event{Verdict: Denied})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if failed == nil || !l.Failing() {
		t.Error("it was written")
	}
	l.Lose(5)
	add(t, l, 1)
	if got, err := Verify(path); err != nil || got.Lines != 3 || l.Failing() {
		t.Errorf("%+v, error %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"dropped":7`) {
		t.Errorf("nobody is told of what is missing: %s, error %v", text, err)
	}
	if testutil.ToFloat64(l.dropped) != 7 || testutil.ToFloat64(l.kept) != 3 {
		t.Error("the loss is not counted")
	}
	if problems, err := testutil.CollectAndLint(l); err != nil || len(problems) != 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestStreamsOfSomebodyElse(t *testing.T) {
	var out bytes.Buffer
	l := To(&out)
	if err := l.Append(Event{Verdict: Allowed}, Event{Verdict: Denied, Dropped: 7}); err != nil {
		t.Fatal(err)
	}
	add(t, l, 2)
	if c, err := read(&out); err != nil || c.lines != 4 || c.begin != "" {
		t.Errorf("%+v, error %v", c, err)
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
