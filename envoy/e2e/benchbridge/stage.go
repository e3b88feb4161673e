package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// startTimeout is how long a way may take until it serves.
const startTimeout = 90 * time.Second

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// stage is what has been started.
type stage struct {
	dir  string
	ways []*way
}

// way is a subject that serves.
type way struct {
	subject
	url     string
	process *process.Process
	took    time.Duration // from its start until a session was answered
}

func newStage() (*stage, error) {
	dir, err := os.MkdirTemp("", "mooring-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &stage{dir: dir}, nil
}

// close ends all that was started, the newest first.
func (s *stage) close() {
	for len(s.ways) > 0 {
		s.end(s.ways[len(s.ways)-1])
	}
	_ = os.RemoveAll(s.dir) // it is in the folder for temporary files
}

// end ends a way with all its processes.
func (s *stage) end(w *way) {
	left := []*way{}
	for _, other := range s.ways {
		if other != w {
			left = append(left, other)
		}
	}
	s.ways = left
	all := append(processesOf(w.process.PID()), w.process.PID())
	w.process.Signal(syscall.SIGINT)
	select {
	case <-w.process.Done():
	case <-time.After(10 * time.Second):
		w.process.KillGroup()
		<-w.process.Done()
	}
	for _, pid := range all[:len(all)-1] {
		// Some leave their servers behind. Those that have ended are not hit: pids
		// are not used again that soon.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// start starts the subject with these variables beside its own, and waits until
// it serves. A program that is not there is an error of fs.ErrNotExist.
func (s *stage) start(ctx context.Context, sub subject, env ...string) (*way, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	argv, err := sub.argv(port, s.dir)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, strings.ReplaceAll(sub.name, "/", "")+".log"))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", sub.name, err)
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append(append(os.Environ(), sub.env...), env...)
	begin := time.Now()
	p, err := process.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", sub.name, err)
	}
	w := &way{subject: sub, url: "http://" + address(port) + sub.path, process: p}
	s.ways = append(s.ways, w)
	if err := w.await(ctx); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s: %w; its log:\n%.2000s", sub.name, err, text)
	}
	w.took = time.Since(begin)
	return w, nil
}

// startAll starts those that are there, and says which are not.
func (s *stage) startAll(ctx context.Context, all []subject) ([]*way, error) {
	for _, sub := range all {
		_, err := s.start(ctx, sub)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Printf("  %s is left out: it is not installed\n", sub.name)
		case err != nil:
			return nil, err
		}
	}
	return append([]*way(nil), s.ways...), nil
}

// await waits until a session can be begun, and ends that again.
func (w *way) await(ctx context.Context) error {
	var last error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c := newClient(w.url, 1)
		if last = c.initialize(ctx); last == nil {
			return c.close(ctx)
		}
		c.http.CloseIdleConnections()
		select {
		case <-w.process.Done():
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
	return fmt.Errorf("it does not serve: %w", last)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
