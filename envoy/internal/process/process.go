// Package process starts a child process that cannot outlive its parent, in a
// process group of its own so that a terminal's Ctrl-C reaches only the parent.
// It knows nothing of what the child does.
package process

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is a started child. Its methods are safe for use by several
// goroutines.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts cmd so that the kernel sends onParentDeath to it when this
// program ends in whatever way.
func Start(cmd *exec.Cmd, onParentDeath syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = onParentDeath
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// own starts the child and waits for it on one thread: to the kernel, the
// parent whose death counts is the thread, and Go ends threads at will.
func (p *Process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// PID is the child's process id, which is also its group's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the child has ended and been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the child ended: nil for exit status 0. Only after Done.
func (p *Process) Err() error { return p.err }

// Signal sends sig to the child, which may have ended already.
func (p *Process) Signal(sig syscall.Signal) {
	// An error means that the child has ended, which Done says better.
	_ = p.cmd.Process.Signal(sig)
}

// KillGroup ends the child and what it started in its own group, at once.
func (p *Process) KillGroup() {
	select {
	case <-p.done:
		// The id may be another's by now.
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
}
