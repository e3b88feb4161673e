package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// beMain makes this test binary the program itself, so that tests can kill it.
const beMain = "EXTPROC_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// processor is a running extproc.
type processor struct {
	dir, socket, ops, keys string
	args                   []string
	cmd                    *exec.Cmd
	// logs listens for access logs, while there is a process and while not.
	logs *os.File
}

// newProcessor makes a key and starts an extproc in a folder of its own.
func newProcessor(t *testing.T, args ...string) *processor {
	t.Helper()
	dir := envoytest.SocketDir(t)
	p := &processor{dir: dir, socket: filepath.Join(dir, "extproc.sock"), ops: filepath.Join(dir, "ops.sock"), keys: filepath.Join(dir, "keys"), args: args}
	if _, err := keys.Generate(p.keys); err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "log.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if p.logs, err = listener.File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.logs.Close() })
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	return p
}

// start starts the program and returns once it is ready.
func (p *processor) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "extproc.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], append([]string{"--socket", p.socket, "--ops-socket", p.ops, "--session-keys", p.keys, "--log-fd", "3",
		"--public-url", "https://mcp.example.com", "--listen", "127.0.0.1:8080", "--log-level", "debug"}, p.args...)...)
	p.cmd.Env = append(os.Environ(), beMain+"=1")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.ExtraFiles = []*os.File{p.logs}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := p.cmd
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error says that it ended before
		_ = cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("extproc's log:\n%s", text)
		}
	})
	eventually(t, "extproc is ready", func() bool {
		status, _, err := unixGet(p.ops, "/readyz")
		return err == nil && status == http.StatusOK
	})
}

// kill ends the program as nothing but SIGKILL does.
func (p *processor) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &ended) {
		t.Fatal(err)
	}
}

func unixClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

func unixGet(socket, path string) (status int, body string, err error) {
	res, err := unixClient(socket).Get("http://ops" + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

func TestRunNeedsAKey(t *testing.T) {
	dir := envoytest.SocketDir(t)
	err := run(t.Context(), Config{Socket: filepath.Join(dir, "s"), OpsSocket: filepath.Join(dir, "o"), SessionKeys: dir, MaxBodyBytes: 1}, logging.New(io.Discard, "extproc", slog.LevelInfo, nil))
	if !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("error %v", err)
	}
}

func TestRunServesAndEnds(t *testing.T) {
	p := newProcessor(t)
	for _, socket := range []string{p.socket, p.ops} {
		info, err := os.Stat(socket)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket %v, error %v", info, err)
		}
	}
	status, body, err := unixGet(p.ops, "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "mooring_extproc_duration_seconds") {
		t.Errorf("metrics: %d, %v, %.200s", status, err, body)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestListenUnixReplacesOnlyDeadSockets(t *testing.T) {
	path := filepath.Join(envoytest.SocketDir(t), "s")
	first, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := listenUnix(path); err == nil {
		second.Close()
		t.Error("a socket in use was replaced")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := listenUnix(path)
	if err != nil {
		t.Fatalf("a dead socket was not replaced: %v", err)
	}
	second.Close()
}
