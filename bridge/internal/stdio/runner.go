package stdio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Runner starts children of one Command and owns all child processes of this
// process: nothing else in it may start any, for it would reap them.
type Runner struct {
	cmd    Command
	starts chan startRequest
	closed chan struct{} // closed when Run no longer starts any

	mu       sync.Mutex
	children map[int]*Child // by pid, from fork until reaped
	started  int            // how many there ever were
	strays   map[int]bool   // orphans of no child, as of the last look

	wg sync.WaitGroup
}

type startRequest struct {
	program Program // the zero value is the Command's
	extra   []string
	answer  chan startAnswer
}

type startAnswer struct {
	child *Child
	err   error
}

// NewRunner returns a Runner, which starts children once Run is called.
func NewRunner(cmd Command) *Runner {
	return &Runner{
		cmd:      cmd.withDefaults(),
		starts:   make(chan startRequest),
		closed:   make(chan struct{}),
		children: make(map[int]*Child),
	}
}

// Run serves Start until ctx ends, then ends all children and returns when they,
// and everything that they had started, are gone.
func (r *Runner) Run(ctx context.Context) error {
	if err := sealDescriptors(); err != nil {
		return err
	}
	// Orphans of children become children of this process, which alone can find
	// and reap them then.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the reaper of orphans: %w", err)
	}
	reaping, stopReaping := context.WithCancel(context.Background())
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		r.reapAll(reaping)
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// All children are forked from one thread that outlives them: the kernel
		// kills them when that thread ends, which it does when this process is
		// killed, and must not do before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		r.startAll(ctx)
		r.stopChildren()
		r.wg.Wait()
	}()
	<-ended
	stopReaping()
	<-reaped
	killAll()
	return nil
}

// startAll answers Start until ctx ends.
func (r *Runner) startAll(ctx context.Context) {
	defer close(r.closed)
	for {
		select {
		case <-ctx.Done():
			return
		case req := <-r.starts:
			child, err := r.fork(req)
			req.answer <- startAnswer{child, err}
		}
	}
}

// Start starts a child with the Command's environment and what extra adds to it,
// "NAME=value" each. Errors wrap ErrCommandNotFound when the program cannot be
// executed, and are ErrEnded when Run has ended.
func (r *Runner) Start(extra ...string) (*Child, error) {
	return r.start(startRequest{extra: extra})
}

// StartProgram starts a child that is this program instead of the Command's; it
// is the same in all else.
func (r *Runner) StartProgram(p Program) (*Child, error) { return r.start(startRequest{program: p}) }

func (r *Runner) start(req startRequest) (*Child, error) {
	req.answer = make(chan startAnswer, 1)
	select {
	case r.starts <- req:
		answer := <-req.answer
		return answer.child, answer.err
	case <-r.closed:
		return nil, ErrEnded
	}
}

// Running is how many children there are that nobody has stopped.
func (r *Runner) Running() int { return r.count(false) }

// Ending is how many children were stopped and are not gone yet.
func (r *Runner) Ending() int { return r.count(true) }

func (r *Runner) count(stopped bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.children {
		if c.isStopped() == stopped {
			n++
		}
	}
	return n
}

func (r *Runner) stopChildren() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.children {
		c.Stop()
	}
}

// what is the program to start for the request.
func (r *Runner) what(req startRequest) (Program, error) {
	if req.program.Path != "" {
		return req.program, nil
	}
	path, err := r.cmd.path()
	if err != nil {
		return Program{}, notFound(r.cmd.Name, err)
	}
	return Program{Path: path, Argv: append([]string{r.cmd.Name}, r.cmd.Args...), Env: slices.Concat(r.cmd.Env, req.extra)}, nil
}

func (r *Runner) fork(req startRequest) (*Child, error) {
	program, err := r.what(req)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := pipes()
	if err != nil {
		return nil, err
	}
	defer closeAll(theirs[:]...)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
	mark := childVariable + "=" + strconv.Itoa(os.Getpid()) + "." + strconv.Itoa(r.started)
	pid, err := syscall.ForkExec(program.Path, program.Argv, &syscall.ProcAttr{
		Dir:   r.cmd.Dir,
		Env:   append(slices.Clip(program.Env), mark),
		Files: []uintptr{theirs[0].Fd(), theirs[1].Fd(), theirs[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		closeAll(ours[:]...)
		return nil, notFound(program.Argv[0], err)
	}
	return r.adopt(pid, mark, ours), nil
}

// notFound says which program cannot be executed, and why, once each.
func notFound(name string, why error) error {
	var lookup *exec.Error
	if errors.As(why, &lookup) {
		why = lookup.Err
	}
	return fmt.Errorf("%w: %s: %w", ErrCommandNotFound, name, why)
}

// adopt makes a Child of a process that was just forked. r.mu is held, so that
// the reaper does not see the process before the child is known.
func (r *Runner) adopt(pid int, mark string, pipes [3]*os.File) *Child {
	log := r.cmd.Log.With(slog.Int("child", r.started))
	c := &Child{
		cmd: r.cmd, pid: pid, mark: mark, log: log, words: newWords(r.cmd.Mask, log, r.cmd.LogLines),
		stdin: pipes[0], stdout: pipes[1], lines: newLineReader(pipes[1], r.cmd.MaxLine),
		sending: make(chan struct{}, 1),
		stop:    make(chan struct{}),
		exited:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.sending <- struct{}{}
	r.children[pid] = c
	stderrRead := make(chan struct{})
	r.wg.Go(func() {
		defer close(stderrRead)
		c.readStderr(pipes[2])
	})
	r.wg.Go(func() { c.supervise(pipes[2], stderrRead, r) })
	return c
}

// reap takes the child's status, by which its pid becomes free for others.
func (r *Runner) reap(c *Child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		_, err := unix.Wait4(c.pid, &c.status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	delete(r.children, c.pid)
}

// reapAll notices which children have ended, and reaps orphans that they left.
func (r *Runner) reapAll(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	defer signal.Stop(signals)
	// Signals of many ends come as one, and none is lost by that; the ticker is
	// only for what nobody thought of.
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		case <-tick.C:
		case <-again:
		}
		again = nil
		if r.noticeEnded() {
			again = time.After(strayGrace)
		}
	}
}

// noticeEnded returns whether there are orphans to look at again soon.
func (r *Runner) noticeEnded() (again bool) {
	// Listed first: what is forked after that is in r.children when it counts.
	all := childrenOfSelf()
	r.mu.Lock()
	defer r.mu.Unlock()
	for pid, c := range r.children {
		c.notice(pid)
	}
	var adopted []process
	for _, pid := range all {
		if r.children[pid] != nil {
			continue
		}
		if ended, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && ended == 0 {
			adopted = append(adopted, process{pid, sessionOf(pid)})
		}
	}
	return r.killStrays(adopted)
}
