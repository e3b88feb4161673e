// Package sweep ends what a control plane that was killed could not end any
// more: bridges and the servers they started. It knows them by the name of
// their instance in their environment, and knows those names by the folders
// that the instances have.
package sweep

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Variable names an instance in the environment of its bridge and of all that
// the bridge starts.
const Variable = "MOORING_INSTANCE"

const (
	// rounds bounds the hunt for processes that start others meanwhile.
	rounds        = 20
	roundInterval = 50 * time.Millisecond
)

// Sweep kills every process of the instances that have a folder in adapters
// (adapters/<adapter>/<instance>/), and returns how many it killed once none is
// left.
func Sweep(adapters string) (int, error) {
	instances, err := instancesOf(adapters)
	if err != nil || len(instances) == 0 {
		return 0, err
	}
	killed := map[int]bool{}
	for range rounds {
		pids, err := processesOf(instances)
		if err != nil {
			return len(killed), err
		}
		if len(pids) == 0 {
			return len(killed), nil
		}
		for _, pid := range pids {
			killed[pid] = true
			kill(pid, instances)
		}
		time.Sleep(roundInterval)
	}
	return len(killed), fmt.Errorf("ending what is left: processes of %d instances keep coming back", len(instances))
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

func processesOf(instances map[string]bool) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && pid != os.Getpid() && belongs(pid, instances) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// belongs reports whether the process is of one of instances. A process that
// has ended, or is another user's, has no environment to read.
func belongs(pid int, instances map[string]bool) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(Variable+"=")); ok {
			return instances[string(value)]
		}
	}
	return false
}

// kill looks again once it holds the process: the id may be another's by now.
func kill(pid int, instances map[string]bool) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer process.Release()
	if belongs(pid, instances) {
		// An error means that it has ended by itself.
		_ = process.Kill()
	}
}
