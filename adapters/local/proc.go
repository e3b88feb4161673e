package local

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

// identity names one process for ever, where a pid alone comes back.
type identity struct {
	PID int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat: clock ticks since boot.
	StartTime uint64 `json:"startTime"`
	BootID    string `json:"bootID"`
}

// stat is what /proc/PID/stat says of a process.
type stat struct {
	state     byte // Z and X are dead
	group     int
	session   int
	startTime uint64
}

func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the id of this boot: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("reading the state of process %d: %w", pid, err)
	}
	return parseStat(text)
}

// parseStat reads the fields after the program's name, which may hold anything,
// brackets and spaces included.
func parseStat(text []byte) (stat, error) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("%q is no state of a process", text)
	}
	group, groupErr := strconv.Atoi(fields[2])
	session, sessionErr := strconv.Atoi(fields[3])
	start, startErr := strconv.ParseUint(fields[19], 10, 64)
	if groupErr != nil || sessionErr != nil || startErr != nil {
		return stat{}, fmt.Errorf("%q is no state of a process", text)
	}
	return stat{state: fields[0][0], group: group, session: session, startTime: start}, nil
}

// isAlive reports whether the very process that id names is still running.
func (id identity) isAlive(boot string) bool {
	s, err := readStat(id.PID)
	return err == nil && id.BootID == boot && s.startTime == id.StartTime && !s.dead()
}

// instanceOf is the instance that a process was started for, or "". It is read
// from the environment that the process was given, which is empty for zombies
// and unreadable for other users' processes.
func instanceOf(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	const limit = 4 << 20 // above what Linux lets a process be given by default
	environ, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return ""
	}
	marker := []byte(launch.InstanceVariable + "=")
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if id, ok := bytes.CutPrefix(variable, marker); ok {
			return string(id)
		}
	}
	return ""
}

// processes lists all processes of the machine.
func processes() ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
