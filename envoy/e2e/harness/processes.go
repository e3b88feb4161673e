package harness

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PID is the process id of a part (xds, extproc, envoy). The test fails where
// it does not run.
func (m *Mooring) PID(part string) int {
	m.tb.Helper()
	pid, ok := m.find(part)
	if !ok {
		m.tb.Fatalf("%s does not run", part)
	}
	return pid
}

// PIDNow is PID, or zero where the part does not run.
func (m *Mooring) PIDNow(part string) int {
	pid, _ := m.find(part)
	return pid
}

// LauncherPID is the launcher's process id.
func (m *Mooring) LauncherPID() int { return m.cmd.Process.Pid }

// Kill ends a process with SIGKILL and returns once it is gone.
func (m *Mooring) Kill(pid int) {
	m.tb.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		m.tb.Fatalf("killing process %d: %v", pid, err)
	}
	m.Await(fmt.Sprintf("process %d is gone", pid), 10*time.Second, func() bool { return !Alive(pid) })
}

// Bridges are the process ids of the bridges, in order.
func (m *Mooring) Bridges() []int {
	var pids []int
	for pid := range m.processes() {
		if program(pid) == "bridge" {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Servers are the process ids of what bridges started, in order.
func (m *Mooring) Servers() []int {
	instances := m.instances()
	var pids []int
	for pid := range m.processes() {
		if instances[variable(pid, "MOORING_INSTANCE")] && program(pid) != "bridge" {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Instance is the instance that the process belongs to.
func (m *Mooring) Instance(pid int) string { return variable(pid, "MOORING_INSTANCE") }

// Alive reports whether anything of the process runs: one whose first thread is
// a zombie has its files and sockets until the last of its threads has ended.
func Alive(pid int) bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if len(threads) > 1 {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// Descendants adds to pids everything that they started.
func Descendants(pids ...int) []int {
	all := map[int]bool{}
	for _, pid := range pids {
		all[pid] = true
	}
	for found := true; found; {
		found = false
		for _, pid := range everyone() {
			if !all[pid] && all[parent(pid)] {
				all[pid], found = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (m *Mooring) find(part string) (int, bool) {
	for _, pid := range everyone() {
		if variable(pid, "MOORING_PART") == m.root() && program(pid) == part {
			return pid, true
		}
	}
	return 0, false
}

// processes are all that the launcher and those it started left or run, by
// their command lines.
func (m *Mooring) processes() map[int]string {
	instances := m.instances()
	found := map[int]string{}
	for _, pid := range everyone() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		text := strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		if variable(pid, "MOORING_PART") == m.root() || instances[variable(pid, "MOORING_INSTANCE")] ||
			strings.Contains(text, m.State+"/") {
			found[pid] = text
		}
	}
	return found
}

// instances are the ids of all instances that the state folder knows.
func (m *Mooring) instances() map[string]bool {
	folders, err := filepath.Glob(filepath.Join(m.State, "adapters", "*", "*"))
	if err != nil {
		m.tb.Fatalf("finding instances: %v", err)
	}
	ids := map[string]bool{}
	for _, folder := range folders {
		ids[filepath.Base(folder)] = true
	}
	return ids
}

func (m *Mooring) root() string {
	root, err := filepath.EvalSymlinks(m.State)
	if err != nil {
		return m.State
	}
	return root
}

// everyone lists all processes but this one and zombies.
func everyone() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != os.Getpid() && Alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func program(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

func variable(pid int, name string) string {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for entry := range strings.SplitSeq(string(environment), "\x00") {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func parent(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			ppid, _ := strconv.Atoi(strings.TrimSpace(value))
			return ppid
		}
	}
	return 0
}
