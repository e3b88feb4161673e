package stdio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run starts a Runner of this binary in the given mode; it is ended, and found
// to leave nothing, with the test.
func run(t *testing.T, mode string, change func(*stdio.Command)) (*stdio.Runner, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	cmd := stdio.Command{
		Name: os.Args[0],
		// The race detector would make each exit last a second.
		Env: []string{modeVariable + "=" + mode, "GORACE=atexit_sleep_ms=0"},
		Log: slog.New(slog.NewJSONHandler(log, nil)),
	}
	if change != nil {
		change(&cmd)
	}
	r := stdio.NewRunner(cmd)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := r.Running() + r.Ending(); n != 0 {
			t.Errorf("%d children are left", n)
		}
	})
	return r, log
}

func start(t *testing.T, r *stdio.Runner) *stdio.Child {
	t.Helper()
	c, err := r.Start()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func receive(t *testing.T, c *stdio.Child) string {
	t.Helper()
	line, _, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// drain ends the child and reads it to its end.
func drain(t *testing.T, c *stdio.Child) stdio.Exit {
	t.Helper()
	c.Stop()
	for {
		if _, _, err := c.Receive(); err != nil {
			return c.Exit()
		}
	}
}

func TestEchoAndStop(t *testing.T) {
	r, _ := run(t, "echo", nil)
	c := start(t, r)
	for i := range 100 {
		want := fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, strings.Repeat("y", i*200))
		if err := c.Send([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, c); got != want {
			t.Fatalf("got %.80s, want %.80s", got, want)
		}
	}
	if exit := drain(t, c); exit.How != "exited with code 0" {
		t.Errorf("the child %s", exit)
	}
	if err := c.Send([]byte(`{}`)); !errors.Is(err, stdio.ErrEnded) {
		t.Errorf("sending to an ended child gives %v", err)
	}
}

func TestGarbageIsPassedOver(t *testing.T) {
	r, log := run(t, "garbage", nil)
	c := start(t, r)
	if a, b := receive(t, c), receive(t, c); a != `{"a":1}` || b != `{"b":2}` {
		t.Errorf("got %q and %q", a, b)
	}
	if exit := drain(t, c); strings.Join(exit.Lines, ",") != "Welcome!,listening,bye" {
		t.Errorf("last lines are %q", exit.Lines)
	}
	if !strings.Contains(log.String(), `"line":"listening"`) {
		t.Errorf("the log has no garbage: %s", log)
	}
}

func TestCrashTellsCodeAndLastWords(t *testing.T) {
	r, _ := run(t, "crash", nil)
	c := start(t, r)
	if _, _, err := c.Receive(); !errors.Is(err, stdio.ErrEnded) {
		t.Errorf("receiving gives %v", err)
	}
	want := "exited with code 3; it wrote: first line | cannot open the database"
	if got := c.Exit().String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStubbornChildIsKilled(t *testing.T) {
	r, _ := run(t, "stubborn", nil)
	c := start(t, r)
	receive(t, c)
	begin := time.Now()
	if exit := drain(t, c); exit.How != "was killed by signal 9 (killed)" {
		t.Errorf("the child %s", exit)
	}
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestDeafChildDoesNotBlockForEver(t *testing.T) {
	r, _ := run(t, "deaf", func(c *stdio.Command) { c.SendTimeout = 200 * time.Millisecond })
	c := start(t, r)
	receive(t, c)
	big := bytes.Repeat([]byte("x"), 1<<20)
	if err := c.Send(big); !errors.Is(err, stdio.ErrNotReading) {
		t.Errorf("sending gives %v", err)
	}
	drain(t, c)
}

func TestLongLineIsCut(t *testing.T) {
	r, _ := run(t, "huge", func(c *stdio.Command) { c.MaxLine = 50_000 })
	c := start(t, r)
	line, cut, err := c.Receive()
	if err != nil || !cut || len(line) != 50_000 {
		t.Fatalf("got %d bytes, cut %v, %v", len(line), cut, err)
	}
	if got := receive(t, c); got != `{"small":1}` {
		t.Errorf("after the long line comes %.80q", got)
	}
	drain(t, c)
}

// familyPids reads the pids of what the child has started.
func familyPids(t *testing.T, c *stdio.Child) []int {
	t.Helper()
	var family struct{ Pids []int }
	if err := json.Unmarshal([]byte(receive(t, c)), &family); err != nil || len(family.Pids) == 0 {
		t.Fatalf("pids %v, %v", family.Pids, err)
	}
	return family.Pids
}

func TestGrandchildrenEndWithTheChild(t *testing.T) {
	r, _ := run(t, "family", nil)
	for name, end := range map[string]func(c *stdio.Child, pid int){
		"stopped": func(c *stdio.Child, _ int) { c.Stop() },
		"killed":  func(_ *stdio.Child, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, r)
			pids := familyPids(t, c)
			end(c, parentOf(t, pids[0]))
			drain(t, c)
			for _, pid := range pids {
				if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("grandchild %d: %v", pid, err)
				}
			}
		})
	}
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var parent int
	after := stat[bytes.LastIndexByte(stat, ')')+1:]
	if _, err := fmt.Sscanf(string(after), " %c %d", new(rune), &parent); err != nil {
		t.Fatal(err)
	}
	return parent
}

func TestIndentationIsKept(t *testing.T) {
	r, _ := run(t, "traceback", nil)
	exit := drain(t, start(t, r))
	if got := strings.Join(exit.Lines, "|"); got != `Traceback:|  File "x.py"|    raise ValueError` {
		t.Errorf("last lines are %q", got)
	}
}

func TestRunEndsAllChildren(t *testing.T) {
	r := stdio.NewRunner(stdio.Command{
		Name: os.Args[0], Env: []string{modeVariable + "=family"}, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var pids []int
	var reading sync.WaitGroup
	for range 5 {
		c := start(t, r)
		pids = append(pids, familyPids(t, c)...)
		reading.Go(func() { drain(t, c) })
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("grandchild %d: %v", pid, err)
		}
	}
	if _, err := r.Start(); !errors.Is(err, stdio.ErrEnded) {
		t.Errorf("starting after the end gives %v", err)
	}
}

func TestChildInheritsNothing(t *testing.T) {
	open, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	// A descriptor as it comes from a parent that did not close it.
	leaked, err := syscall.Dup(int(open.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(leaked) }()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, log := run(t, "environment", func(c *stdio.Command) { c.Dir = dir })
	c := start(t, r)
	want := fmt.Sprintf(`{"extra":0,"dir":%q,"variables":3,"pgid":true}`, dir)
	if got := receive(t, c); got != want {
		t.Errorf("got %s, want %s; log:\n%s", got, want, log)
	}
	drain(t, c)
}

func TestStderrIsBounded(t *testing.T) {
	r, log := run(t, "chatter", nil)
	c := start(t, r)
	receive(t, c)
	exit := drain(t, c)
	if len(exit.Lines) != 20 || exit.Lines[19] != "noise 4999" {
		t.Errorf("last lines are %q", exit.Lines)
	}
	if n := strings.Count(log.String(), "\n"); n > 1000 {
		t.Errorf("%d lines were logged", n)
	}
}

func TestCommandNotFound(t *testing.T) {
	for _, name := range []string{"no-such-program-anywhere", "/no/such/program", "./no-such-program"} {
		r, _ := run(t, "echo", func(c *stdio.Command) { c.Name = name })
		if _, err := r.Start(); !errors.Is(err, stdio.ErrCommandNotFound) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}
