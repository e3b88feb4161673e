// Package locate finds the programs that the launcher runs: Mooring's own,
// which lie beside it, and Envoy. It starts none of them but to ask Envoy for
// its version.
package locate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Programs are the absolute paths of what the launcher runs.
type Programs struct {
	XDS, ExtProc, Bridge string
	Envoy                string
	// EnvoyVersion is what Envoy says of itself, such as 1.40.0.
	EnvoyVersion string
	// Tools is the folder of the tools that `make tools` installed, or empty.
	Tools string
}

// Options say where to look.
type Options struct {
	// Executable is the launcher's own path.
	Executable string
	// Envoy is the user's choice. Empty means: the one that `make tools`
	// installed in the checkout that Executable was built in, else the one on
	// PATH.
	Envoy string
	// Version is the Envoy that Mooring is made for; another minor version is
	// refused.
	Version string
}

const versionTimeout = 10 * time.Second

// versionPattern finds 1.40.0 in "version: <commit>/1.40.0/Clean/RELEASE/BoringSSL".
var versionPattern = regexp.MustCompile(`version: [0-9a-f]+/(\d+\.\d+\.\d+)`)

// Find finds all programs, and names all that are missing in one error.
func Find(ctx context.Context, o Options) (Programs, error) {
	executable, err := filepath.EvalSymlinks(o.Executable)
	if err != nil {
		return Programs{}, fmt.Errorf("finding the launcher's folder: %w", err)
	}
	dir := filepath.Dir(executable)
	var p Programs
	var faults []error
	for _, s := range []struct {
		name string
		path *string
	}{{"xds", &p.XDS}, {"extproc", &p.ExtProc}, {"bridge", &p.Bridge}} {
		*s.path = filepath.Join(dir, s.name)
		if !runnable(*s.path) {
			faults = append(faults, fmt.Errorf("no program %s beside the launcher in %s: run make build", s.name, dir))
		}
	}
	p.Tools = toolsOf(dir)
	p.Envoy, err = findEnvoy(o.Envoy, p.Tools)
	if err == nil {
		p.EnvoyVersion, err = checkVersion(ctx, p.Envoy, o.Version)
	}
	if err := errors.Join(append(faults, err)...); err != nil {
		return Programs{}, err
	}
	return p, nil
}

// toolsOf is the tools folder of the checkout whose .build/bin is dir.
func toolsOf(dir string) string {
	tools := filepath.Join(dir, "..", "..", ".tools", "bin")
	if info, err := os.Stat(tools); err != nil || !info.IsDir() {
		return ""
	}
	return tools
}

func findEnvoy(chosen, tools string) (string, error) {
	if chosen != "" {
		path, err := exec.LookPath(chosen)
		if err != nil {
			return "", fmt.Errorf("the Envoy that --envoy names cannot be run: %w", err)
		}
		return filepath.Abs(path)
	}
	if path := filepath.Join(tools, "envoy"); tools != "" && runnable(path) {
		return path, nil
	}
	path, err := exec.LookPath("envoy")
	if err != nil {
		return "", errors.New("no Envoy found: run make tools, or name one with --envoy")
	}
	return filepath.Abs(path)
}

func checkVersion(ctx context.Context, envoy, want string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, envoy, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", envoy, err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("%s does not say which version of Envoy it is", envoy)
	}
	version := string(match[1])
	if minor(version) != minor(want) {
		return "", fmt.Errorf("%s is Envoy %s, but Mooring is made for %s.x: run make tools, or name another with --envoy",
			envoy, version, minor(want))
	}
	return version, nil
}

// minor is 1.40 of 1.40.0.
func minor(version string) string {
	version = strings.TrimSpace(version)
	if i := strings.LastIndexByte(version, '.'); i >= 0 {
		return version[:i]
	}
	return version
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
