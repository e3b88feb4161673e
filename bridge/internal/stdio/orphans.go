package stdio

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// childVariable marks all processes that a child starts, so that those which
// left its process group are found when it ends.
const childVariable = "MOORING_CHILD"

// maxKillRounds bounds the chase after processes that fork while they are
// killed.
const maxKillRounds = 20

// killMarked kills what was started by the child of that mark and became an
// orphan, which makes it a child of this process. Its own children become
// orphans then, so it goes on until there are none.
func killMarked(mark string) {
	for range maxKillRounds {
		found := false
		for _, pid := range childrenOf(os.Getpid()) {
			if isMarked(pid, mark) {
				found = true
				_ = unix.Kill(pid, unix.SIGKILL)
				_, _ = unix.Wait4(pid, nil, 0, nil)
			}
		}
		if !found {
			return
		}
	}
}

// killAll kills and reaps all children of this process, marked or not.
func killAll() {
	for range maxKillRounds {
		pids := childrenOf(os.Getpid())
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}
}

// isMarked reports whether the process carries the mark in its environment. A
// zombie has none, and is left to the reaper.
func isMarked(pid int, mark string) bool {
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if string(variable) == mark {
			return true
		}
	}
	return false
}

// childrenOf lists the processes whose parent is the given one.
func childrenOf(parent int) []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
		if err == nil && parentIn(stat) == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentIn reads the parent's pid from /proc/PID/stat: the second field after
// the command's name, which stands in parentheses and may hold anything.
func parentIn(stat []byte) int {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return -1
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 2 {
		return -1
	}
	pid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return -1
	}
	return pid
}
