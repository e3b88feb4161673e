// Package direct finds out which program npx or uvx runs in the end, so that
// sessions run that program without the wrapper, which would stay beside each of
// them with more memory than most servers have. Nothing is computed from the
// wrapper's rules: it is run once, and what the kernel shows of the process that
// it started is the answer, environment and arguments included. It refuses
// whatever is unusual; then the wrapper stays.
package direct

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Wrapper is a command that fetches a package and runs a program of it.
type Wrapper struct {
	// Offline are the variables, "NAME=value" each, by which it uses only what it
	// has fetched before.
	Offline []string
	// args are the arguments that it passes on.
	args []string
	npm  bool
}

// An npm package by its name, alone or with one exact version or tag: no range,
// no folder, no URL. A Python one alike.
var (
	npmPackage    = regexp.MustCompile(`^(@[a-z0-9][\w.-]*/)?[a-z0-9][\w.-]*(@[A-Za-z0-9][\w.+-]*)?$`)
	pythonPackage = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*(\[[\w.,-]+\])?((==|@)[A-Za-z0-9][\w.+!-]*)?$`)
)

// Flags before the package that change nothing about how its program is run,
// and those of uvx that take a package or a version of Python.
var (
	npxFlags  = []string{"-y", "--yes", "-q", "--quiet", "--offline", "--prefer-offline"}
	uvxFlags  = []string{"-q", "--quiet", "--offline"}
	uvxValues = []string{"--from", "--with", "-p", "--python"}
)

// Recognize returns the Wrapper that the command is, or false when it is none,
// or has options that are not understood. environ is the command's environment.
func Recognize(name string, args, environ []string) (Wrapper, bool) {
	var at int
	var ok bool
	w := Wrapper{}
	switch filepath.Base(name) {
	case "npx":
		w.npm, w.Offline = true, []string{"npm_config_offline=true"}
		at, ok = packageAt(args, npxFlags, nil, npmPackage)
		ok = ok && !changesNPX(environ)
	case "uvx":
		w.Offline = []string{"UV_OFFLINE=1"}
		at, ok = packageAt(args, uvxFlags, uvxValues, pythonPackage)
	}
	if !ok {
		return Wrapper{}, false
	}
	w.args = args[at+1:]
	return w, true
}

// packageAt is where the package stands among the arguments, or false when not
// all before it is known.
func packageAt(args, flags, values []string, pattern *regexp.Regexp) (int, bool) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch {
		case slices.Contains(flags, args[i]):
		case slices.Contains(values, name):
			if !joined {
				if i++; i == len(args) {
					return 0, false
				}
				value = args[i]
			}
			if !pythonPackage.MatchString(value) {
				return 0, false
			}
		default:
			return i, pattern.MatchString(args[i])
		}
	}
	return 0, false
}

// changesNPX reports whether a variable makes npx run something else than the
// package's program, or somewhere else.
func changesNPX(environ []string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		switch strings.ReplaceAll(name, "-", "_") {
		case "npm_config_call", "npm_config_package", "npm_config_workspace", "npm_config_workspaces":
			return true
		}
		return false
	})
}
