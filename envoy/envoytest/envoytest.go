// Package envoytest starts a real Envoy for the tests of other packages. It
// knows nothing of Mooring's configuration: the test brings the bootstrap.
package envoytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// PathVariable names the environment variable that names another Envoy.
const PathVariable = "MOORING_ENVOY"

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
	pollInterval = 10 * time.Millisecond
)

// Envoy is a running Envoy. It ends with the test.
type Envoy struct {
	tb     testing.TB
	dir    string
	proc   *process.Process
	client *http.Client
}

// Option changes how Envoy is started.
type Option func(*options)

type options struct {
	args      []string
	logLevel  string
	adminOnly bool
}

// LogLevel sets Envoy's log level. The default is warning.
func LogLevel(level string) Option { return func(o *options) { o.logLevel = level } }

// AdminOnly makes Start return as soon as the admin interface answers, for an
// Envoy whose control plane is not there and which is therefore not live.
func AdminOnly() Option { return func(o *options) { o.adminOnly = true } }

// Args adds command line arguments.
func Args(args ...string) Option {
	return func(o *options) { o.args = append(o.args, args...) }
}

// Path is the Envoy to test with: MOORING_ENVOY, or the one that `make tools`
// installs. The test fails where there is none.
func Path(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv(PathVariable); path != "" {
		return path
	}
	path := filepath.Join(ModuleRoot(tb), ".tools", "bin", "envoy")
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("no Envoy at %s: run make tools", path)
	}
	return path
}

// Start starts Envoy with bootstrap, which may be YAML or JSON, and returns
// once Envoy is live. The admin interface of bootstrap, if any, is replaced by
// one on a Unix socket. Where Envoy does not come up, the test fails and shows
// Envoy's log.
func Start(tb testing.TB, bootstrap []byte, opts ...Option) *Envoy {
	tb.Helper()
	o := options{logLevel: "warning"}
	for _, opt := range opts {
		opt(&o)
	}
	dir := SocketDir(tb)
	config := filepath.Join(dir, "bootstrap.yaml")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		tb.Fatalf("writing bootstrap: %v", err)
	}
	admin := filepath.Join(dir, "admin.sock")
	args := append([]string{
		"--config-path", config,
		"--config-yaml", fmt.Sprintf("{admin: {address: {pipe: {path: %q, mode: 384}}}}", admin),
		"--log-path", filepath.Join(dir, "envoy.log"), "--log-level", o.logLevel,
		"--disable-hot-restart", "--concurrency", "1",
	}, o.args...)
	proc, err := process.Start(exec.Command(Path(tb), args...), syscall.SIGKILL)
	if err != nil {
		tb.Fatalf("starting Envoy: %v", err)
	}
	e := &Envoy{tb: tb, dir: dir, proc: proc, client: unixClient(admin)}
	tb.Cleanup(e.stop)
	e.await(func(status int, body []byte) bool {
		return o.adminOnly || status == http.StatusOK && bytes.HasPrefix(body, []byte("LIVE"))
	})
	return e
}

// Dir is Envoy's own folder, removed with the test. Its path is short enough
// for Unix sockets.
func (e *Envoy) Dir() string { return e.dir }

// PID is Envoy's process id.
func (e *Envoy) PID() int { return e.proc.PID() }

// Kill ends Envoy with SIGKILL and returns once it is gone.
func (e *Envoy) Kill() {
	e.proc.KillGroup()
	<-e.proc.Done()
}

// AdminGet returns the body of a GET on the admin interface. The test fails
// unless the answer is 200.
func (e *Envoy) AdminGet(path string) []byte {
	e.tb.Helper()
	status, body, err := e.get(path)
	if err != nil {
		e.tb.Fatalf("asking Envoy for %s: %v", path, err)
	}
	if status != http.StatusOK {
		e.tb.Fatalf("asking Envoy for %s: status %d: %s", path, status, body)
	}
	return body
}

// Status is the status of a GET on the admin interface.
func (e *Envoy) Status(path string) int {
	e.tb.Helper()
	status, _, err := e.get(path)
	if err != nil {
		e.tb.Fatalf("asking Envoy for %s: %v", path, err)
	}
	return status
}

// AdminSocket is the path of the admin interface's Unix socket.
func (e *Envoy) AdminSocket() string { return filepath.Join(e.dir, "admin.sock") }

// ConfigDump is the configuration that Envoy runs on, endpoints included, as
// the JSON of envoy.admin.v3.ConfigDump.
func (e *Envoy) ConfigDump() []byte {
	e.tb.Helper()
	return e.AdminGet("/config_dump?include_eds")
}

// SocketDir is an empty folder, removed with the test, whose path is short
// enough for Unix sockets; that of testing.TB.TempDir is not.
func SocketDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "mooring-")
	if err != nil {
		tb.Fatalf("making a folder: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("removing %s: %v", dir, err)
		}
	})
	return dir
}

// await returns once the answer to GET /ready is enough.
func (e *Envoy) await(enough func(status int, body []byte) bool) {
	e.tb.Helper()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	timeout := time.After(startTimeout)
	for {
		if status, body, err := e.get("/ready"); err == nil && enough(status, body) {
			return
		}
		select {
		case <-ticker.C:
		case <-e.proc.Done():
			e.tb.Fatalf("envoy ended at its start: %v", e.proc.Err())
		case <-timeout:
			e.tb.Fatalf("envoy was not ready after %v", startTimeout)
		}
	}
}

func (e *Envoy) get(path string) (int, []byte, error) {
	res, err := e.client.Get("http://envoy" + path)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// stop ends Envoy in order, so that its log is whole, and shows that log if the
// test failed.
func (e *Envoy) stop() {
	e.client.CloseIdleConnections()
	e.proc.Signal(syscall.SIGTERM)
	select {
	case <-e.proc.Done():
	case <-time.After(stopTimeout):
		e.tb.Errorf("envoy did not end within %v of SIGTERM", stopTimeout)
		e.Kill()
	}
	if !e.tb.Failed() {
		return
	}
	log, err := os.ReadFile(filepath.Join(e.dir, "envoy.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.tb.Logf("reading Envoy's log: %v", err)
	}
	e.tb.Logf("Envoy's log:\n%s", log)
}

func unixClient(socket string) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", socket)
			},
		},
	}
}

// ModuleRoot is the folder of the go.mod above the test's package.
func ModuleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("finding the module: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("finding the module: no go.mod above the working directory")
		}
		dir = parent
	}
}
