package harness

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

const (
	startTimeout = 60 * time.Second
	// stopTimeout is longer than the launcher's own bounds.
	stopTimeout = 40 * time.Second
	// shownLog is how much of the end of each log a failed test shows.
	shownLog = 4 << 10
)

// Mooring is one started launcher and what it runs.
type Mooring struct {
	// State is its state folder.
	State string
	// Listen and OpsListen are its addresses.
	Listen, OpsListen string

	tb      testing.TB
	client  *http.Client
	cmd     *exec.Cmd
	console *console
	done    chan struct{} // closed when the launcher has ended
	owner   bool          // it came up: what uses the state folder is its own
}

// Option changes how Mooring is started.
type Option func(*options)

type options struct {
	state, dir string
	args, env  []string
}

// State starts on a state folder that an earlier start left.
func State(dir string) Option { return func(o *options) { o.state = dir } }

// Dir starts the launcher in another working directory.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

// Args adds arguments for the launcher.
func Args(args ...string) Option { return func(o *options) { o.args = append(o.args, args...) } }

// Env adds variables to the launcher's environment.
func Env(env ...string) Option { return func(o *options) { o.env = append(o.env, env...) } }

// Start starts Mooring and returns once it says that it is up. At the end of
// the test it is stopped, and the test fails if it left a process behind or a
// program reported a data race.
func Start(tb testing.TB, opts ...Option) *Mooring {
	tb.Helper()
	m := Launch(tb, opts...)
	m.Await("mooring is up", startTimeout, func() bool {
		if !m.Running() {
			tb.Fatalf("the launcher ended:\n%s", m.Console())
		}
		return strings.Contains(m.Console(), "Ctrl-C stops everything")
	})
	m.owner = true
	return m
}

// Launch is Start without waiting.
func Launch(tb testing.TB, opts ...Option) *Mooring {
	tb.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.state == "" {
		o.state = filepath.Join(envoytest.SocketDir(tb), "state")
	}
	m := &Mooring{
		State: o.state, Listen: envoytest.FreeAddress(tb), OpsListen: envoytest.FreeAddress(tb),
		tb: tb, console: &console{}, done: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	m.cmd = exec.Command(Program(tb, "mooring"), append([]string{
		"--state", m.State, "--listen", m.Listen, "--ops-listen", m.OpsListen, "--envoy", envoytest.Path(tb),
	}, o.args...)...)
	m.cmd.Dir = o.dir
	m.cmd.Env = append(os.Environ(), o.env...)
	tools := filepath.Join(envoytest.ModuleRoot(tb), ".tools", "bin")
	m.cmd.Env = append(m.cmd.Env, "PATH="+os.Getenv("PATH")+":"+tools)
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.console
	// A group of its own, as a shell would give it.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		tb.Fatalf("starting the launcher: %v", err)
	}
	go func() {
		_ = m.cmd.Wait() // how it ended, ProcessState says
		close(m.done)
	}()
	tb.Cleanup(m.cleanup)
	return m
}

// Attach is a gateway that somebody else started and ends, at listen (host and
// port), reached through the transport. What is about processes and folders
// cannot be asked of it.
func Attach(tb testing.TB, listen string, through *http.Transport) *Mooring {
	tb.Helper()
	m := &Mooring{Listen: listen, tb: tb, client: &http.Client{Transport: through}}
	tb.Cleanup(m.client.CloseIdleConnections)
	return m
}

// Running reports whether the launcher lives.
func (m *Mooring) Running() bool {
	select {
	case <-m.done:
		return false
	default:
		return true
	}
}

// Signal sends sig to the launcher alone.
func (m *Mooring) Signal(sig syscall.Signal) {
	m.tb.Helper()
	if err := m.cmd.Process.Signal(sig); err != nil {
		m.tb.Fatalf("signalling the launcher: %v", err)
	}
}

// AwaitEnd returns the launcher's exit code once it has ended.
func (m *Mooring) AwaitEnd() int {
	m.tb.Helper()
	select {
	case <-m.done:
	case <-time.After(stopTimeout):
		m.tb.Fatalf("the launcher has not ended after %v", stopTimeout)
	}
	return m.cmd.ProcessState.ExitCode()
}

// Stop is Ctrl-C, and fails the test unless all has ended well.
func (m *Mooring) Stop() {
	m.tb.Helper()
	if m.Running() {
		m.Signal(syscall.SIGINT)
		if code := m.AwaitEnd(); code != 0 {
			m.tb.Errorf("the launcher ended with exit code %d", code)
		}
	}
	if !m.owner {
		return
	}
	for pid, what := range m.processes() {
		m.tb.Errorf("process %d was left behind: %s", pid, what)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Console is what the launcher has printed.
func (m *Mooring) Console() string { return m.console.String() }

// Await waits until the condition holds, and fails the test after timeout.
func (m *Mooring) Await(what string, timeout time.Duration, condition func() bool) {
	m.tb.Helper()
	Await(m.tb, what, timeout, condition)
}

// Await waits until the condition holds, and fails the test after timeout.
func Await(tb testing.TB, what string, timeout time.Duration, condition func() bool) {
	tb.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(timeout); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

func (m *Mooring) cleanup() {
	m.Stop()
	m.client.CloseIdleConnections()
	logs := m.logs()
	for path, text := range logs {
		if bytes.Contains(text, []byte("DATA RACE")) {
			m.tb.Errorf("%s reports a data race", path)
		}
	}
	if !m.tb.Failed() || !m.owner {
		return
	}
	m.tb.Logf("console:\n%s", m.Console())
	for path, text := range logs {
		m.tb.Logf("%s:\n%s", path, text[max(0, len(text)-shownLog):])
	}
}

// logs are all log files in the state folder, by path.
func (m *Mooring) logs() map[string][]byte {
	logs := map[string][]byte{}
	err := filepath.WalkDir(m.State, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".log" || entry.IsDir() {
			return nil // gone meanwhile, or not a log
		}
		text, err := os.ReadFile(path)
		if err == nil && len(text) > 0 {
			logs[path] = text
		}
		return nil
	})
	if err != nil {
		m.tb.Errorf("reading logs: %v", err)
	}
	return logs
}

// console collects output.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

// String is all that was written.
func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

var _ fmt.Stringer = (*console)(nil)
