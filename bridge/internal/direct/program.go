package direct

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// Program is what a wrapper runs.
type Program struct {
	stdio.Program
	// files are the paths that it depends on.
	files []string
}

// errUnusual: the program is not started in the way that is known.
var errUnusual = errors.New("the wrapper has started its program in an unusual way")

// Find returns the program behind the wrapper, of which child is a process that
// serves. base is the environment that wrapped processes have else, and extra
// what this one got beside it.
func (w Wrapper) Find(child *stdio.Child, base, extra []string) (Program, error) {
	found, err := child.Behind()
	if err != nil {
		return Program{}, err
	}
	return w.judge(found, base, extra)
}

func (w Wrapper) judge(found stdio.Program, base, extra []string) (Program, error) {
	own := len(found.Argv) - len(w.args)
	// An interpreter and its script, or a program alone.
	if own < 1 || own > 2 || !slices.Equal(found.Argv[own:], w.args) {
		return Program{}, fmt.Errorf("%w: its arguments are others", errUnusual)
	}
	script := found.Argv[own-1]
	if own == 1 {
		script = found.Path
	}
	if !filepath.IsAbs(script) {
		return Program{}, fmt.Errorf("%w: its script has no absolute path", errUnusual)
	}
	if w.npm && !strings.Contains(script, "/_npx/") {
		return Program{}, fmt.Errorf("%w: it is not from npx's own folder", errUnusual)
	}
	env, err := environmentOf(found.Env, base, extra)
	if err != nil {
		return Program{}, err
	}
	found.Env = env
	p := Program{Program: found, files: []string{found.Path, script}}
	return p, p.Check()
}

// environmentOf is the environment without what only this process had, in which
// nothing of base may be missing.
func environmentOf(env, base, extra []string) ([]string, error) {
	names := make(map[string]bool, len(env))
	for _, variable := range env {
		name, _, ok := strings.Cut(variable, "=")
		if !ok {
			return nil, fmt.Errorf("%w: its environment cannot be read", errUnusual)
		}
		names[name] = true
	}
	for _, variable := range base {
		if name, _, _ := strings.Cut(variable, "="); !names[name] {
			return nil, fmt.Errorf("%w: variables are missing from its environment", errUnusual)
		}
	}
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(extra, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}), nil
}

// Check returns an error when a file of the program is gone: package caches may
// be emptied at any time.
func (p Program) Check() error {
	for _, file := range p.files {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return errors.New("a file of the program is gone")
		case err != nil:
			return errors.New("a file of the program cannot be read")
		case !info.Mode().IsRegular():
			return errors.New("the program is no regular file")
		}
	}
	return nil
}
