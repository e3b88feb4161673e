package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// part is a process whose cost counts.
type part struct {
	name string
	pid  int
}

// cpuOf is the time that each of the processes has spent so far: that of the
// threads that it has, which are for life in all that is measured. The times in
// /proc/PID/stat are in steps of 10 ms.
func cpuOf(parts []part) ([]time.Duration, error) {
	out := make([]time.Duration, len(parts))
	for i, p := range parts {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
		if err != nil {
			return nil, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				continue // it has ended
			}
			spent, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
			}
			out[i] += time.Duration(spent)
		}
		if out[i] == 0 {
			return nil, fmt.Errorf("reading the CPU time of %s: it has ended", p.name)
		}
	}
	return out, nil
}

// memoryOf is the resident memory of each of the processes, in bytes.
func memoryOf(parts []part) ([]int64, error) {
	out := make([]int64, len(parts))
	for i, p := range parts {
		fields, err := statOf(p.pid)
		if err != nil {
			return nil, fmt.Errorf("reading the memory of %s: %w", p.name, err)
		}
		pages, err := strconv.ParseInt(string(fields[21]), 10, 64) // rss
		if err != nil {
			return nil, fmt.Errorf("reading the memory of %s: %w", p.name, err)
		}
		out[i] = pages * int64(os.Getpagesize())
	}
	return out, nil
}

// statOf are the fields of /proc/PID/stat behind the name, which stands in
// parentheses and may hold spaces.
func statOf(pid int) ([][]byte, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]), nil
}

// childrenOf are the processes that pid started, and theirs.
func childrenOf(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	parents := map[int]int{}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fields, err := statOf(child)
		if err != nil {
			continue // it has ended
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			parents[child] = parent
		}
	}
	var all []int
	for child := range parents {
		for at := parents[child]; at > 1; at = parents[at] {
			if at == pid {
				all = append(all, child)
				break
			}
		}
	}
	return all, nil
}

// partsOf are the processes that the launcher pid runs, by the names of their
// programs, and the launcher.
func partsOf(launcher int) ([]part, error) {
	pids, err := childrenOf(launcher)
	if err != nil {
		return nil, err
	}
	parts := []part{{"mooring", launcher}}
	found := map[string]bool{}
	for _, pid := range pids {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			return nil, fmt.Errorf("finding the gateway's processes: %w", err)
		}
		parts = append(parts, part{filepath.Base(path), pid})
		found[filepath.Base(path)] = true
	}
	for _, name := range []string{"envoy", "extproc", "xds", "bridge"} {
		if !found[name] {
			return nil, fmt.Errorf("finding the gateway's processes: no %s among %v", name, found)
		}
	}
	return parts, nil
}
