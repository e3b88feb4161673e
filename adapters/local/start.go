package local

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The files of a replica's folder.
const (
	logName      = "bridge.log"
	crashLogName = "crash.log"
	stateName    = "state"
	workName     = "work"     // in the adapter's folder, shared by its replicas
	keysName     = "keys"     // the same; bridges make the sealing key there
	sessionsName = "sessions" // the same; what bridges note of sessions
)

// start starts the bridge and records it. A process that cannot be recorded
// does not count, and is killed at once. Should this process end between the
// two, the next start finds the bridge by its environment.
func (r *replica) start() error {
	r.report(starting(r.last))
	if err := r.prepare(); err != nil {
		return err
	}
	cmd, err := r.launch()
	if err != nil {
		return err
	}
	r.adopted = false
	if err := r.enrol(cmd); err != nil {
		// It is still our child, so its number is still its own.
		sweepErr := sweep(func(id string) bool { return id == r.id }, cmd.Process.Pid)
		_ = cmd.Wait() // it was killed: that is no news
		return errors.Join(err, sweepErr)
	}
	r.d.metrics.starts.Inc()
	r.log.Info("bridge started", "pid", r.record.PID)
	return nil
}

// prepare makes the folders, and takes away the socket that a killed bridge
// has left.
func (r *replica) prepare() error {
	for _, dir := range []string{filepath.Join(r.dir, stateName), r.work()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the replica's folder: %w", err)
		}
	}
	if err := os.Remove(r.record.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old socket: %w", err)
	}
	return nil
}

func (r *replica) work() string { return filepath.Join(filepath.Dir(r.dir), workName) }

func (r *replica) launch() (*exec.Cmd, error) {
	crash, err := os.OpenFile(filepath.Join(r.dir, crashLogName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the crash log: %w", err)
	}
	defer crash.Close()
	cmd := exec.Command(r.d.cfg.Bridge, r.arguments()...)
	cmd.Dir = r.dir
	cmd.Env = environment(r.d.cfg.Environ, *r.variables.Load(), r.record)
	cmd.Stdout, cmd.Stderr = crash, crash
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	closeOnExec()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the bridge: %w", err)
	}
	return cmd, nil
}

func (r *replica) arguments() []string {
	cfg := r.d.cfg
	arguments := []string{
		"--listen", "unix:" + r.record.Socket,
		"--log-file", filepath.Join(r.dir, logName),
		"--state-dir", filepath.Join(r.dir, stateName),
		"--sealing-key", filepath.Join(filepath.Dir(r.dir), keysName, "sealing.key"),
		"--sessions-dir", filepath.Join(filepath.Dir(r.dir), sessionsName),
		"--work-dir", r.work(),
		"--drain-timeout", cfg.DrainTimeout.String(),
		"--allow-loopback",
	}
	for _, own := range cfg.Own {
		arguments = append(arguments, "--deny-dial", own.String())
	}
	if cfg.Policy != "" {
		arguments = append(arguments, "--policy", cfg.Policy)
	}
	if cfg.Lease != "" {
		arguments = append(arguments, "--lease", cfg.Lease)
	}
	return arguments
}

// enrol records the process that cmd has started, and takes hold of it.
func (r *replica) enrol(cmd *exec.Cmd) error {
	s, err := readStat(cmd.Process.Pid)
	if err != nil {
		return err
	}
	r.record.identity = identity{PID: cmd.Process.Pid, StartTime: s.startTime, BootID: r.d.boot}
	r.record.Started = time.Now().UTC()
	if err := r.record.write(r.dir); err != nil {
		return err
	}
	// A child that died already is a zombie, which can be waited for all the
	// same.
	p := &process{identity: r.record.identity, cmd: cmd}
	if fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK); err == nil {
		p.fd = os.NewFile(uintptr(fd), "pidfd "+strconv.Itoa(p.PID))
	}
	r.process = p
	return nil
}

// closeOnExec keeps from the bridge what this process itself was given open:
// what Go opens is closed on exec anyway.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
