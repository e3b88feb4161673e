package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// statOf are the fields of /proc/PID/stat from the state on, which follows the
// name in parentheses.
func statOf(pid int) [][]byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // it has ended
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return nil
	}
	return fields
}

// cpuOf is the time that the processes have spent so far.
func cpuOf(pids []int) time.Duration {
	var total time.Duration
	for _, pid := range pids {
		fields := statOf(pid)
		if fields == nil {
			continue
		}
		for _, field := range fields[11:13] { // utime, stime
			n, err := strconv.ParseInt(string(field), 10, 64)
			if err == nil {
				total += time.Duration(n) * tick
			}
		}
	}
	return total
}

// processesOf are the processes that pid started, and theirs.
func processesOf(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parents := map[int]int{}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields := statOf(child); fields != nil {
			if parent, err := strconv.Atoi(string(fields[1])); err == nil {
				parents[child] = parent
			}
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
	return all
}

// memoryOf is the memory of the processes: what they share with others is
// counted in part (proportional set size).
func memoryOf(pids ...int) (bytesUsed int64) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for line := range bytes.Lines(text) {
			if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == "Pss:" {
				kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
				if err == nil {
					bytesUsed += kib << 10
				}
			}
		}
	}
	return bytesUsed
}

// startOf is when the process was started, in ticks since the machine was.
func startOf(pid int) int64 {
	fields := statOf(pid)
	if len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}

// isSelf reports whether the process is the echo server.
func isSelf(pid int) bool {
	this, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	that, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && os.SameFile(this, that)
}

// split tells the processes of a way apart: what is between client and server,
// and the servers.
func (w *way) split() (between, servers []int) {
	for _, pid := range append(processesOf(w.process.PID()), w.process.PID()) {
		if isSelf(pid) {
			servers = append(servers, pid)
		} else {
			between = append(between, pid)
		}
	}
	return between, servers
}
