package images

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// container is an image about to run: process 1 in namespaces of its own, with
// the image's entrypoint, environment, user and working directory.
type container struct {
	image
	root     string
	uidgid   string   // the image's user when nothing else is set
	readOnly bool     // read-only root with fresh volumes at volumes
	volumes  []string // only with readOnly
	env      []string // beside the image's own
	args     []string // after the entrypoint
}

// newContainer mounts a fresh copy of the image, removed at the end of the test.
func newContainer(t *testing.T, name string) *container {
	t.Helper()
	config := inspect(t, name)
	id := buildah(t, "from", "--pull=never", name)
	t.Cleanup(func() { buildah(t, "rm", id) })
	return &container{image: config, root: buildah(t, "mount", id), uidgid: config.User}
}

// machineCA is the machine's own file of certificate authorities: its package
// registries may need one that no image knows.
func machineCA() string {
	file := os.Getenv("SSL_CERT_FILE")
	if file == "" {
		file = "/etc/ssl/certs/ca-certificates.crt"
	}
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// machineEnv is what npm and uv need on this machine: its authorities, and the
// proxies and registries of whoever runs the tests.
func machineEnv() []string {
	var env []string
	if machineCA() != "" {
		env = append(env, "SSL_CERT_FILE=/mnt/ca.pem", "NODE_EXTRA_CA_CERTS=/mnt/ca.pem")
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(variable), "=")
		switch name {
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NPM_CONFIG_REGISTRY", "UV_DEFAULT_INDEX", "UV_INDEX_URL":
			env = append(env, variable)
		}
	}
	return env
}

// command is the container as a process of this machine.
func (c *container) command(ctx context.Context) *exec.Cmd {
	var args []string
	args = append(args, c.Env...)
	args = append(args, machineEnv()...)
	args = append(args, c.env...)
	args = append(args, "--")
	args = append(args, c.Entrypoint...)
	args = append(args, c.args...)
	cmd := exec.CommandContext(ctx, "./container.sh", args...)
	readOnly := ""
	if c.readOnly {
		readOnly = "yes"
	}
	cmd.Env = append(os.Environ(),
		"ROOT="+c.root, "UIDGID="+c.uidgid, "WORKDIR="+c.WorkingDir, "CA="+machineCA(),
		"READ_ONLY="+readOnly, "VOLUMES="+strings.Join(c.volumes, " "))
	return cmd
}

// output runs the container to its end and returns what it prints.
func (c *container) output(t *testing.T) string {
	t.Helper()
	out, err := c.command(t.Context()).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", c.Entrypoint, c.args, err, out)
	}
	return string(out)
}

// running is a started container.
type running struct {
	address string
	cmd     *exec.Cmd
	log     *logBuffer
	done    chan error
}

// start runs the bridge on a free port until the end of the test.
func (c *container) start(t *testing.T) *running {
	t.Helper()
	r := &running{address: freeAddress(t), log: new(logBuffer), done: make(chan error, 1)}
	c.env = append(c.env, "MCP_LISTEN="+r.address)
	r.cmd = c.command(context.Background())
	r.cmd.WaitDelay = 5 * time.Second
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); r.done <- r.cmd.Wait() }()
	t.Cleanup(func() {
		r.kill()
		<-ended
		if t.Failed() {
			t.Logf("the container's output:\n%s", r.log)
		}
	})
	return r
}

// processOne is the container's process 1 as this machine numbers it: the only
// child of unshare.
func (r *running) processOne() (int, error) {
	self := strconv.Itoa(r.cmd.Process.Pid)
	text, err := os.ReadFile(filepath.Join("/proc", self, "task", self, "children"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// kill ends the container and all in it. Killing unshare would not: a change of
// user clears the signal that its child is to get then.
func (r *running) kill() {
	if pid, err := r.processOne(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = r.cmd.Process.Kill()
}

// stop asks process 1 to end now and returns how it ended.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	pid, err := r.processOne()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.done:
		return err
	case <-time.After(20 * time.Second):
		return fmt.Errorf("still running 20 s after SIGINT")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// logBuffer keeps what a container prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
