package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// deathPoll is how often a process is looked at where the kernel has no pidfd.
const deathPoll = 50 * time.Millisecond

// process is a running bridge: a child of this process, or an adopted one,
// which is somebody else's child and cannot be waited for.
type process struct {
	identity
	cmd *exec.Cmd // nil when adopted
	fd  *os.File  // its pidfd, or nil where there are none
}

// open takes hold of the process that id names. The pid cannot come to name
// another one while the pidfd is looked at, so it is opened first.
func (id identity) open(boot string) (*process, bool) {
	p := &process{identity: id}
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if err == nil {
		p.fd = os.NewFile(uintptr(fd), "pidfd")
	}
	if errors.Is(err, unix.ESRCH) || !id.isAlive(boot) {
		p.close()
		return nil, false
	}
	return p, true
}

func (p *process) close() {
	if p.fd != nil {
		p.fd.Close()
	}
}

// wait returns once the process is dead, or ctx ended. It does not reap it, so
// its session keeps its number until reap.
func (p *process) wait(ctx context.Context) {
	if p.fd == nil {
		p.poll(ctx)
		return
	}
	conn, err := p.fd.SyscallConn()
	if err != nil {
		p.poll(ctx)
		return
	}
	// Go's poller waits, instead of a thread for each process.
	stop := context.AfterFunc(ctx, func() { p.fd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n > 0
	})
	if err != nil && ctx.Err() == nil {
		p.poll(ctx)
	}
}

func (p *process) poll(ctx context.Context) {
	ticker := time.NewTicker(deathPoll)
	defer ticker.Stop()
	for p.isAlive(p.BootID) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// signal sends sig to the bridge alone, which passes it on in order.
func (p *process) signal(sig unix.Signal) error {
	if p.fd == nil {
		if !p.isAlive(p.BootID) {
			return nil
		}
		return unix.Kill(p.PID, sig)
	}
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return fmt.Errorf("signalling process %d: %w", p.PID, err)
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return fmt.Errorf("signalling process %d: %w", p.PID, err)
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return sent
}

// reap takes a dead child's exit status, and says how it ended.
func (p *process) reap() string {
	p.close()
	if p.isAlive(p.BootID) {
		return "it cannot be killed" // to wait for it would be for ever
	}
	if p.cmd == nil {
		return "it was gone"
	}
	// The error repeats the state for each exit that is not 0.
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.String()
}
