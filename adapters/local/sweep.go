package local

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	// sweepLimit is how long killed processes may take to go. One that waits for
	// a broken disk may never.
	sweepLimit = 5 * time.Second
	sweepPause = 5 * time.Millisecond
)

// sweep kills all that is left of the instances that doomed names, and of the
// session, and returns once it is gone. Session 0 means none; one may be named
// only while nobody else can have its number: when its leader is alive, not yet
// reaped, or has died this moment.
func sweep(doomed func(instance string) bool, session int) error {
	deadline := time.Now().Add(sweepLimit)
	for {
		left, err := killRound(doomed, session)
		if left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%d processes are still there after they were killed", left), err)
		}
		time.Sleep(sweepPause)
	}
}

// killRound kills what it finds and counts it. Those whose environment says
// where they belong are killed with their whole process group, whose other
// members may have changed theirs.
func killRound(doomed func(string) bool, session int) (int, error) {
	pids, err := processes()
	if err != nil {
		return 0, err
	}
	found := 0
	var refused error
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil || s.dead() || pid == syscall.Getpid() || pid == 1 {
			continue // gone, or going
		}
		if (session == 0 || s.session != session) && !doomed(instanceOf(pid)) {
			continue
		}
		found++
		if err := kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			refused = fmt.Errorf("killing process %d: %w", pid, err)
		}
	}
	return found, refused
}

func kill(pid int, s stat) error {
	if s.group > 1 && s.group != syscall.Getpgrp() {
		return syscall.Kill(-s.group, syscall.SIGKILL)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}
