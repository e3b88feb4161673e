package stdio

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// supervise waits for the child's end, brings it about when asked to, and
// returns when r has reaped the child and nothing of it is left.
func (c *Child) supervise(stderr *os.File, stderrRead <-chan struct{}, r *Runner) {
	select {
	case <-c.exited:
	case <-c.stop:
		c.end()
	}
	// From here on nobody may answer for it any more. The process is a zombie
	// that holds its group's number, so this cannot hit a stranger.
	c.signal(unix.SIGKILL)
	c.killLeft(r.isChild)
	r.reap(c)

	_ = c.stdin.Close()
	// What it wrote last is still in the pipes, and with all writers dead they
	// end by themselves. Should one have got away, reading ends all the same.
	deadline := time.Now().Add(time.Second)
	_ = c.stdout.SetReadDeadline(deadline)
	_ = stderr.SetReadDeadline(deadline)
	<-stderrRead
	close(c.done)
}

// end takes a running child through its grace periods.
func (c *Child) end() {
	_ = c.stdin.Close()
	if c.exitsWithin(closeGrace) {
		return
	}
	c.signal(unix.SIGTERM)
	if c.exitsWithin(killGrace) {
		return
	}
	c.log.Warn("killing a server that does not end")
	c.signal(unix.SIGKILL)
	<-c.exited
}

func (c *Child) exitsWithin(grace time.Duration) bool {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-timer.C:
		return false
	}
}

// signal reaches the whole process group. It must not be called once the child
// is reaped.
func (c *Child) signal(sig unix.Signal) {
	// The only error that can come is that nobody is left.
	_ = unix.Kill(-c.pid, sig)
}

// notice closes c.exited when the process has ended, and leaves it unreaped.
func (c *Child) notice(pid int) {
	select {
	case <-c.exited:
		return
	default:
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == nil && info.Signo != 0 {
		close(c.exited)
	}
}
