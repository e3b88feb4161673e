package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// startTimeout is for a gateway of thousands of adapters on a busy machine.
const startTimeout = 3 * time.Minute

// way is one way from the client to the server.
type way struct {
	name, what, url string
	// token is the bearer token of all requests. Empty means none.
	token string
	// parts are the processes whose cost counts.
	parts []part
	// paths are the endpoints in place of that of url, each client's its own
	// selection. Nil means that of url.
	paths func(client int) []string
	// prepare is done before each turn. Nil means that nothing is.
	prepare func(context.Context) error
}

// pathsOf are the endpoints that a client uses.
func (w way) pathsOf(client int) []string {
	if w.paths == nil {
		return nil
	}
	return w.paths(client)
}

// stage runs what is between client and server, and the server.
type stage struct {
	cfg     Config
	dir     string
	backend *backend
	started []*process.Process
}

func newStage(cfg Config) (*stage, error) {
	dir, err := os.MkdirTemp("", "mooring-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	s := &stage{cfg: cfg, dir: dir}
	if s.backend, err = startBackend(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// close ends all that was started, the newest first.
func (s *stage) close() {
	for i := len(s.started) - 1; i >= 0; i-- {
		p := s.started[i]
		p.Signal(syscall.SIGINT)
		select {
		case <-p.Done():
		case <-time.After(startTimeout):
			p.KillGroup()
			<-p.Done()
		}
	}
	s.backend.close()
	_ = os.RemoveAll(s.dir) // it is in the folder for temporary files
}

// path is a file of this stage.
func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// program is one of those built.
func (s *stage) program(name string) string { return filepath.Join(s.cfg.Programs, name) }

// write makes a file.
func (s *stage) write(name, text string) (string, error) {
	path := s.path(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("preparing: %w", err)
	}
	return path, nil
}

// start starts a program whose output goes to a file of that name.
func (s *stage) start(name string, cmd *exec.Cmd) (*process.Process, error) {
	log, err := os.Create(s.path(name + ".log"))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p, err := process.Start(cmd, syscall.SIGTERM)
	if err == nil {
		s.started = append(s.started, p)
	}
	return p, err
}

// await returns once the way leads to the server.
func await(ctx context.Context, w way) error {
	return eventually(ctx, w.name, func() error {
		c, err := dial(ctx, w, nil, 1)
		if err != nil {
			return err
		}
		defer c.close()
		_, err = c.echo()
		return err
	})
}

// eventually tries until there is no error.
func eventually(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		}
	}
}

// freeAddress is one of this machine where nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), nil
}
