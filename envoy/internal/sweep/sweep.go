// Package sweep ends processes that whoever started them cannot end any more:
// bridges and their servers after a control plane that was killed, and the
// parts of a launcher that was killed. It knows them by a variable in their
// environment.
package sweep

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// InstanceVariable names an instance in the environment of its bridge and
	// of all that the bridge starts.
	InstanceVariable = "MOORING_INSTANCE"
	// PartVariable names the state folder in the environment of the launcher's
	// parts. Bridges do not have it.
	PartVariable = "MOORING_PART"
)

const (
	// rounds bounds the hunt for processes that start others meanwhile.
	rounds        = 20
	roundInterval = 50 * time.Millisecond
)

// Instances kills every process of the instances that have a folder in adapters
// (adapters/<adapter>/<instance>/), and returns how many it killed once none is
// left.
func Instances(adapters string) (int, error) {
	instances, err := instancesOf(adapters)
	if err != nil || len(instances) == 0 {
		return 0, err
	}
	return end(mark{InstanceVariable, func(value string) bool { return instances[value] }})
}

// Parts waits for the parts of an earlier launcher on the state folder root to
// end, as the kernel told them to, and kills those that have not within
// patience. It returns how many it killed.
func Parts(root string, patience time.Duration) (int, error) {
	parts := mark{PartVariable, func(value string) bool { return value == root }}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(roundInterval) {
		pids, err := parts.processes()
		if err != nil || len(pids) == 0 {
			return 0, err
		}
	}
	return end(parts)
}

// end kills all processes with the mark.
func end(m mark) (int, error) {
	killed := map[int]bool{}
	for range rounds {
		pids, err := m.processes()
		if err != nil || len(pids) == 0 {
			return len(killed), err
		}
		for _, pid := range pids {
			killed[pid] = true
			m.kill(pid)
		}
		time.Sleep(roundInterval)
	}
	return len(killed), fmt.Errorf("ending processes with %s: they keep coming back", m.variable)
}

func instancesOf(adapters string) (map[string]bool, error) {
	folders, err := filepath.Glob(filepath.Join(adapters, "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("finding instances: %w", err)
	}
	instances := map[string]bool{}
	for _, folder := range folders {
		instances[filepath.Base(folder)] = true
	}
	return instances, nil
}

// mark is what tells the processes that are meant.
type mark struct {
	variable string
	meant    func(value string) bool
}

func (m mark) processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && pid != os.Getpid() && m.on(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// on reports whether the process has the mark. One that has ended, or is
// another user's, has no environment to read.
func (m mark) on(pid int) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(m.variable+"=")); ok {
			return m.meant(string(value))
		}
	}
	return false
}

// kill looks again once it holds the process: the id may be another's by now.
func (m mark) kill(pid int) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer process.Release()
	if m.on(pid) {
		// An error means that it has ended by itself.
		_ = process.Kill()
	}
}
