package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// showing is what the server of the mode "shows" says of itself.
type showing struct {
	Pid, Parent int
	Args, Env   []string
	Dir         string
}

func shown() string {
	dir, _ := os.Getwd()
	text, _ := json.Marshal(showing{os.Getpid(), os.Getppid(), os.Args[1:], os.Environ(), dir})
	return string(text)
}

// fakeNPX makes a folder with a program npx, which starts this binary in the
// way of the real one, and notes that it was run.
func fakeNPX(t *testing.T, more string) (command, runs string) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "_npx", "0123", "node_modules", ".bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "server")); err != nil {
		t.Fatal(err)
	}
	runs = filepath.Join(dir, "runs")
	script := fmt.Sprintf("#!/bin/sh\necho run >> %s\n%s\nshift 2\nexport npm_command=exec PATH=%s:$PATH\n"+
		"export "+modeVariable+"=shows\n%s \"$@\"\nexit $?\n", runs, more, bin, filepath.Join(bin, "server"))
	command = filepath.Join(dir, "npx")
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return command, runs
}

// wrapped starts a bridge for a fake npx, and returns what a session's server
// says of itself.
func wrapped(t *testing.T, command, args string, change func(*Config)) (*running, showing) {
	t.Helper()
	environ := []string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "SECRET=s", "MOORING_INSTANCE=i"}
	b := start(t, environ, func(c *Config) {
		c.Command, c.Args, c.Direct, c.Instance = command, args, directAuto, "i"
		if change != nil {
			change(c)
		}
	})
	b.await("Ready")
	return b, b.show()
}

func (b *running) show() showing {
	b.t.Helper()
	status, answer, session := b.post("", initialize)
	if status != 200 {
		b.t.Fatalf("initialize gives %d %s", status, answer)
	}
	_, answer, _ = b.post(session, `{"jsonrpc":"2.0","id":2,"method":"x"}`)
	var got struct{ Result showing }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Result.Pid == 0 {
		b.t.Fatalf("the server shows %s, %v", answer, err)
	}
	return got.Result
}

func lines(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func TestSessionsRunWithoutTheWrapper(t *testing.T) {
	command, runs := fakeNPX(t, "")
	b, direct := wrapped(t, command, `-y pkg --flag "a b"`, nil)
	if direct.Parent != os.Getpid() || lines(t, runs) != 1 {
		t.Errorf("the wrapper ran %d times, and is still there: %t", lines(t, runs), direct.Parent != os.Getpid())
	}
	b.stop()
	_, whole := wrapped(t, command, `-y pkg --flag "a b"`, func(c *Config) { c.Direct, c.WorkDir = "never", direct.Dir })
	if whole.Parent == os.Getpid() {
		t.Fatal("there is no wrapper to compare with")
	}
	for _, s := range []*showing{&direct, &whole} {
		slices.Sort(s.Env)
		s.Env = slices.DeleteFunc(s.Env, func(v string) bool { return strings.HasPrefix(v, "MOORING_CHILD=") })
		s.Pid, s.Parent = 0, 0
	}
	if diff := cmp.Diff(whole, direct); diff != "" {
		t.Errorf("without the wrapper (-with +without):\n%s", diff)
	}
}

func TestWrapperStays(t *testing.T) {
	for name, test := range map[string]struct{ args, more string }{
		"options that are not understood": {"--call pkg", ""},
		"arguments that nobody gave":      {"-y pkg", `set -- "$@" extra`},
	} {
		t.Run(name, func(t *testing.T) {
			command, runs := fakeNPX(t, test.more)
			_, got := wrapped(t, command, test.args, nil)
			if got.Parent == os.Getpid() || lines(t, runs) < 2 {
				t.Error("the server runs without its wrapper")
			}
		})
	}
}

func TestWrapperIsBackWhenTheProgramIsGone(t *testing.T) {
	command, runs := fakeNPX(t, "")
	b, direct := wrapped(t, command, "-y pkg", nil)
	if direct.Parent != os.Getpid() {
		t.Fatal("the wrapper stays")
	}
	// The cache is emptied, and the wrapper fetches again, to another place.
	folder := filepath.Join(filepath.Dir(command), "_npx", "0123")
	if err := os.Rename(folder, folder+"4"); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(command)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(command, []byte(strings.ReplaceAll(string(script), "/0123/", "/01234/")), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := b.show(); got.Parent == os.Getpid() || lines(t, runs) != 2 {
		t.Errorf("the wrapper ran %d times", lines(t, runs))
	}
}

func TestWithoutRegistryTheCacheServes(t *testing.T) {
	command, runs := fakeNPX(t, `[ -n "$npm_config_offline" ] || { echo "1 http fetch GET https://registry.example/pkg attempt 1 failed with ECONNREFUSED" >"$npm_config_logs_dir/0-debug-0.log"; exit 1; }`)
	_, direct := wrapped(t, command, "-y pkg", nil)
	if direct.Parent != os.Getpid() || lines(t, runs) != 2 {
		t.Errorf("the wrapper ran %d times", lines(t, runs))
	}
	if slices.Contains(direct.Env, "npm_config_offline=true") {
		t.Error("sessions are offline too")
	}
}

func TestSessionTakesTheSpare(t *testing.T) {
	environ, command := own("shows")
	b := start(t, environ, func(c *Config) {
		command(c)
		c.Spares, c.MaxSessions = 1, 2
	})
	b.await("Ready")
	spare := func(n string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); b.metric(`mooring_bridge_children{state="spare"}`) != n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never %s spares", n)
			}
		}
	}
	spare("1")
	first := b.show()
	spare("1")
	if second := b.show(); second.Pid == first.Pid {
		t.Error("two sessions have the same process")
	}
	if got := b.metric(`mooring_bridge_child_starts_total{reason="session"}`); got != "" {
		t.Errorf("%s sessions had to start a process", got)
	}
	if hits := b.metric(`mooring_bridge_spares_wanted_total{result="hit"}`); hits != "2" {
		t.Errorf("%s spares were there", hits)
	}
	// With as many sessions as there may be, a spare would be of no use.
	spare("0")
}

func TestOtherFailuresAreNotTriedOffline(t *testing.T) {
	command, runs := fakeNPX(t, "echo broken >&2; exit 3")
	b := start(t, []string{"PATH=" + os.Getenv("PATH")}, func(c *Config) { c.Command, c.Args, c.Direct = command, "-y pkg", directAuto })
	b.await("CommandExited")
	if n := lines(t, runs); n != 1 {
		t.Errorf("the wrapper ran %d times before its end is told", n)
	}
}
