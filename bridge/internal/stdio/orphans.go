package stdio

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// childVariable marks all processes that a child starts, so that those which
// left its process group are found when it ends.
const childVariable = "MOORING_CHILD"

// maxKillRounds bounds the chase after processes that fork while they are
// killed.
const maxKillRounds = 20

// strayGrace is how long an orphan may be of no child before it is ended.
const strayGrace = 100 * time.Millisecond

// process is what is known of a child of this process, started by it or adopted.
type process struct {
	pid     int
	session int // the pid of whoever leads its session
}

// killLeft kills and reaps what the child left behind: orphans, which have
// become children of this process. Their own children become orphans then, so
// it goes on until there are none. The child itself is not reaped yet. isChild
// tells orphans from processes that were started here.
func (c *Child) killLeft(isChild func(pid int) bool) {
	for range maxKillRounds {
		found := false
		for _, pid := range childrenOfSelf() {
			if isChild(pid) {
				continue
			}
			// A zombie has no environment any more, but is still of its session.
			if sessionOf(pid) == c.pid || isMarked(pid, c.mark) {
				found = true
				killAndReap(pid)
			}
		}
		if !found {
			return
		}
	}
}

// killAll kills and reaps all children of this process, whoever started them.
func killAll() {
	for range maxKillRounds {
		left := childrenOfSelf()
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			killAndReap(pid)
		}
	}
}

func killAndReap(pid int) {
	// Errors say that it is gone, or was reaped by who notices ends.
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = unix.Wait4(pid, nil, 0, nil)
}

// isMarked reports whether the process carries the mark in its environment.
func isMarked(pid int, mark string) bool { return markOf(pid) == mark }

// markOf is the mark that the process carries, or empty.
func markOf(pid int) string {
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.HasPrefix(variable, []byte(childVariable+"=")) {
			return string(variable)
		}
	}
	return ""
}

// killStrays ends orphans that belong to no child any more: daemons which left
// their child's session and threw its mark away. One that is seen for the first
// time is only remembered, since a process in the middle of execve shows no
// environment; it returns whether there are such. r.mu is held.
func (r *Runner) killStrays(adopted []process) (again bool) {
	seen := make(map[int]bool)
	for _, p := range adopted {
		switch {
		case r.belongs(p):
		case r.strays[p.pid]:
			if stillOurs(p.pid) {
				r.cmd.Log.Warn("ending a process that outlived its server", "pid", p.pid)
				killAndReap(p.pid)
			}
		default:
			seen[p.pid], again = true, true
		}
	}
	r.strays = seen
	return again
}

// belongs reports whether an adopted process is of a child that is not gone.
// r.mu is held.
func (r *Runner) belongs(p process) bool {
	if r.children[p.session] != nil {
		return true
	}
	mark := markOf(p.pid)
	for _, c := range r.children {
		if mark == c.mark {
			return true
		}
	}
	return false
}

// isChild reports whether the process was started here, and is not reaped.
func (r *Runner) isChild(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[pid] != nil
}

// stillOurs reports whether the pid is of a child of this process.
func stillOurs(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	parent, _, ok := parseStat(stat)
	return ok && parent == os.Getpid()
}

// childrenOfSelf lists the children of this process, started by it or adopted.
// The kernel's own lists, one for each thread, cost the same with however many
// processes there are on the machine; not every kernel has them. One that is read
// while a child is reaped may leave another out, which the next look finds.
func childrenOfSelf() []int {
	var pids []int
	lists, err := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, readErr := os.ReadFile(list)
		if errors.Is(readErr, fs.ErrNotExist) {
			continue // the thread has ended
		}
		err = errors.Join(err, readErr)
		for field := range bytes.FieldsSeq(text) {
			if pid, convErr := strconv.Atoi(string(field)); convErr == nil {
				pids = append(pids, pid)
			}
		}
	}
	if err == nil && len(lists) > 0 {
		return pids
	}
	pids = nil
	for _, p := range childrenOf(os.Getpid()) {
		pids = append(pids, p.pid)
	}
	return pids
}

// sessionOf is the session of the process, or 0.
func sessionOf(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, session, _ := parseStat(stat)
	return session
}

// childrenOf lists the processes whose parent is the given one.
func childrenOf(parent int) []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var children []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
		if err != nil {
			continue
		}
		if of, session, ok := parseStat(stat); ok && of == parent {
			children = append(children, process{pid, session})
		}
	}
	return children
}

// parseStat reads the parent and the session from /proc/PID/stat. The fields
// come after the command's name, which stands in parentheses and may hold
// anything: state, parent, process group, session.
func parseStat(stat []byte) (parent, session int, ok bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, 0, false
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 4 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	session, err2 := strconv.Atoi(string(fields[3]))
	return parent, session, err == nil && err2 == nil
}
