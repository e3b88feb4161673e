package stdio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Program is a program with all that it is started with, where that is not what
// the Command says.
type Program struct {
	// Path is the absolute path of the executable.
	Path string
	// Argv are the arguments, the program's name for itself first.
	Argv []string
	// Env is the whole environment, "NAME=value" each.
	Env []string
}

// errNotBehind: which program serves behind a wrapper cannot be told.
var errNotBehind = errors.New("no program behind the wrapper is found")

// Behind returns the program that the child started to serve in its place, as
// npx and uvx do: the one process below it that holds the child's input and
// output. A shell that only runs a command line is passed over. The arguments
// and the environment are those that the kernel has kept of its start, without
// the mark of the child.
func (c *Child) Behind() (Program, error) {
	in, out := pipeOf(c.stdin), pipeOf(c.stdout)
	pid := c.pid
	for range 2 {
		below, err := onlySpeaker(pid, in, out)
		if err != nil {
			return Program{}, err
		}
		argv, err := nulList(below, "cmdline")
		if err != nil {
			return Program{}, err
		}
		if len(argv) > 2 && argv[1] == "-c" && isShell(argv[0]) {
			pid = below
			continue
		}
		return c.programOf(below, argv)
	}
	return Program{}, errNotBehind
}

func (c *Child) programOf(pid int, argv []string) (Program, error) {
	env, err := nulList(pid, "environ")
	if err != nil {
		return Program{}, err
	}
	marked := slices.Index(env, c.mark)
	if marked < 0 || len(argv) == 0 {
		// The process has written over what the kernel shows, or hides from us.
		return Program{}, errNotBehind
	}
	env = slices.Delete(env, marked, marked+1)
	path, err := executable(argv[0], env)
	if err != nil {
		return Program{}, err
	}
	runs, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return Program{}, fmt.Errorf("%w: %w", errNotBehind, err)
	}
	if found, err := os.Stat(path); err != nil || !os.SameFile(runs, found) {
		return Program{}, fmt.Errorf("%w: its first argument is not its executable", errNotBehind)
	}
	return Program{Path: path, Argv: argv, Env: env}, nil
}

// onlySpeaker is the one child of the process that holds both pipes.
func onlySpeaker(pid int, in, out string) (int, error) {
	found := 0
	for _, p := range childrenOf(pid) {
		if !holds(p.pid, in, out) {
			continue
		}
		if found != 0 {
			return 0, fmt.Errorf("%w: there are several", errNotBehind)
		}
		found = p.pid
	}
	if found == 0 {
		return 0, errNotBehind
	}
	return found, nil
}

// holds reports whether the process has all these files open, under whatever
// numbers: some servers move their input and output away from prints.
func holds(pid int, files ...string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	left := slices.Clone(files)
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if i := slices.Index(left, target); err == nil && i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	return len(left) == 0
}

// pipeOf is the name by which /proc shows the pipe, whichever end it is.
func pipeOf(f *os.File) string {
	conn, err := f.SyscallConn()
	if err != nil {
		return ""
	}
	name := ""
	// The error would be that the pipe is closed; then there is no name.
	_ = conn.Control(func(fd uintptr) {
		name, _ = os.Readlink("/proc/self/fd/" + strconv.FormatUint(uint64(fd), 10))
	})
	return name
}

// nulList reads a file of /proc/PID that holds strings, each ended by a NUL.
func nulList(pid int, file string) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotBehind, err)
	}
	if len(raw) == 0 {
		return nil, errNotBehind
	}
	return strings.Split(string(bytes.TrimSuffix(raw, []byte{0})), "\x00"), nil
}

func isShell(argv0 string) bool {
	switch filepath.Base(argv0) {
	case "sh", "bash", "dash", "ash":
		return true
	}
	return false
}

// executable is the absolute path that the name leads to with the environment.
func executable(name string, env []string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("%w: its path is relative", errNotBehind)
	}
	for _, variable := range env {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			path := filepath.Join(dir, name)
			if _, err := exec.LookPath(path); err == nil && filepath.IsAbs(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: %s is not in its PATH", errNotBehind, name)
}
