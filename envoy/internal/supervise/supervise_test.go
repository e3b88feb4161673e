package supervise_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/envoy/internal/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// said collects what the supervisor says.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// shell is a part that runs script in dir, and is ready once the file
// name.ready is there, which each start removes.
func shell(dir, name, script string) supervise.Part {
	return supervise.Part{
		Name: name,
		Command: func() *exec.Cmd {
			_ = os.Remove(filepath.Join(dir, name+".ready"))
			cmd := exec.Command("/bin/sh", "-c", script)
			cmd.Dir = dir
			return cmd
		},
		Ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, name+".ready"))
			return err
		},
		OnParentDeath: syscall.SIGKILL,
		StopTimeout:   patience,
	}
}

const serve = `echo $$ >> %[1]s.pids; trap 'echo %[1]s >> ended; exit 0' TERM; : > %[1]s.ready; while :; do sleep 0.02; done`

type running struct {
	*said
	cancel context.CancelFunc
	force  chan struct{}
	up     chan struct{}
	result chan error
}

func run(t *testing.T, limits supervise.Limits, parts ...supervise.Part) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{said: &said{}, cancel: cancel, force: make(chan struct{}), up: make(chan struct{}), result: make(chan error, 1)}
	s := supervise.New(parts, limits, r.say)
	go func() { r.result <- s.Run(ctx, r.force, func() { close(r.up) }) }()
	return r
}

func (r *running) awaitUp(t *testing.T) {
	t.Helper()
	select {
	case <-r.up:
	case err := <-r.result:
		t.Fatalf("ended instead of being up: %v", err)
	case <-time.After(patience):
		t.Fatalf("not up; said:\n%s", r)
	}
}

func (r *running) awaitEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(patience):
		t.Fatalf("does not end; said:\n%s", r)
		return nil
	}
}

// pids are those of the starts of a part, in order.
func pids(t *testing.T, dir, name string) []int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".pids"))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestStopsInOrder(t *testing.T) {
	dir := t.TempDir()
	first := shell(dir, "b", fmt.Sprintf(serve, "b"))
	first.StopFirst = true
	r := run(t, supervise.Limits{}, shell(dir, "a", fmt.Sprintf(serve, "a")), first)
	r.awaitUp(t)
	r.cancel()
	if err := r.awaitEnd(t); err != nil {
		t.Fatal(err)
	}
	if ended, err := os.ReadFile(filepath.Join(dir, "ended")); err != nil || string(ended) != "b\na\n" {
		t.Errorf("ended in the order %q, error %v", ended, err)
	}
	if got := r.String(); !strings.HasPrefix(got, "a is up") || !strings.Contains(got, "b is up") {
		t.Errorf("said:\n%s", got)
	}
}

func TestStartsAgainWithBackOff(t *testing.T) {
	dir := t.TempDir()
	r := run(t, supervise.Limits{FirstDelay: 10 * time.Millisecond}, shell(dir, "a", fmt.Sprintf(serve, "a")))
	r.awaitUp(t)
	for n := 1; n <= 3; n++ {
		all := pids(t, dir, "a")
		if err := syscall.Kill(all[len(all)-1], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "back", func() bool { return strings.Count(r.String(), "a is back") == n })
	}
	r.cancel()
	if err := r.awaitEnd(t); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a ended (signal: killed); starting it again in 10ms",
		"a ended (signal: killed); starting it again in 20ms",
		"a ended (signal: killed); starting it again in 40ms",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("did not say %q but:\n%s", want, r)
		}
	}
}

func TestFirstStartMustSucceed(t *testing.T) {
	dir := t.TempDir()
	r := run(t, supervise.Limits{}, shell(dir, "a", fmt.Sprintf(serve, "a")), shell(dir, "b", "exit 3"))
	err := r.awaitEnd(t)
	if err == nil || err.Error() != "starting b: it ended (exit status 3)" {
		t.Fatalf("error: %v", err)
	}
	pid := pids(t, dir, "a")[0]
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the part before it was left running")
	}
}

func TestFirstStartHasATimeout(t *testing.T) {
	r := run(t, supervise.Limits{StartTimeout: 100 * time.Millisecond}, shell(t.TempDir(), "a", "exec sleep 60"))
	if err := r.awaitEnd(t); err == nil || err.Error() != "starting a: it was not ready within 100ms" {
		t.Fatalf("error: %v", err)
	}
}

func TestKillsWhatDoesNotStop(t *testing.T) {
	dir := t.TempDir()
	const stubborn = `trap '' TERM; sleep 60 & echo $! > a.child; : > a.ready; while :; do sleep 0.02; done`
	for _, forced := range []bool{false, true} {
		part := shell(dir, "a", stubborn)
		if !forced {
			part.StopTimeout = 50 * time.Millisecond
		}
		r := run(t, supervise.Limits{}, part)
		r.awaitUp(t)
		r.cancel()
		if forced {
			close(r.force)
		}
		if err := r.awaitEnd(t); err != nil {
			t.Fatal(err)
		}
		child, err := os.ReadFile(filepath.Join(dir, "a.child"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(child)))
		if err != nil {
			t.Fatal(err)
		}
		await(t, "child of the group ended", func() bool { return gone(pid) })
	}
}

// gone reports whether the process has ended, reaped or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestStopDuringBackOff(t *testing.T) {
	dir := t.TempDir()
	r := run(t, supervise.Limits{FirstDelay: time.Hour, MaxDelay: time.Hour}, shell(dir, "a", fmt.Sprintf(serve, "a")))
	r.awaitUp(t)
	if err := syscall.Kill(pids(t, dir, "a")[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "seen", func() bool { return strings.Contains(r.String(), "starting it again in 1h") })
	r.cancel()
	if err := r.awaitEnd(t); err != nil {
		t.Fatal(err)
	}
}

func TestMissingProgram(t *testing.T) {
	part := shell(t.TempDir(), "a", "")
	part.Command = func() *exec.Cmd { return exec.Command("/nowhere/a") }
	r := run(t, supervise.Limits{}, part)
	if err := r.awaitEnd(t); err == nil || !strings.Contains(err.Error(), "/nowhere/a") {
		t.Fatalf("error: %v", err)
	}
}

func TestOutputGoesToTheLog(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	part := shell(dir, "a", "echo out; echo err >&2; "+fmt.Sprintf(serve, "a"))
	part.Log = func() (*os.File, error) { return os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) }
	r := run(t, supervise.Limits{}, part)
	r.awaitUp(t)
	r.cancel()
	if err := r.awaitEnd(t); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "out\nerr\n" {
		t.Errorf("log %q, error %v", text, err)
	}
}
