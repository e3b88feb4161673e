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

// process is what is known of a child of this process, started by it or adopted.
type process struct {
	pid     int
	session int // the pid of whoever leads its session
}

// killLeft kills and reaps what the child left behind: orphans, which have
// become children of this process. Their own children become orphans then, so
// it goes on until there are none. The child itself is not reaped yet.
func (c *Child) killLeft() {
	for range maxKillRounds {
		found := false
		for _, p := range childrenOf(os.Getpid()) {
			// A zombie has no environment any more, but is still of its session.
			if p.pid != c.pid && (p.session == c.pid || isMarked(p.pid, c.mark)) {
				found = true
				killAndReap(p.pid)
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
		left := childrenOf(os.Getpid())
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			killAndReap(p.pid)
		}
	}
}

func killAndReap(pid int) {
	// Errors say that it is gone, or was reaped by who notices ends.
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = unix.Wait4(pid, nil, 0, nil)
}

// isMarked reports whether the process carries the mark in its environment.
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
