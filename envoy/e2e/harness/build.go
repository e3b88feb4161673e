// Package harness builds Mooring's programs and starts them with a real Envoy,
// for tests from outside. It knows where processes and files are, and nothing
// of how the programs work.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binVariable tells tests where Main built the programs.
const binVariable = "MOORING_E2E_BIN"

const module = "github.com/mooring-mcp/mooring/"

// Main builds the programs, with the race detector, and the test server, runs
// the tests of a package and returns what to exit with.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mooring-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder for the programs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, args := range [][]string{
		{"-race", "-o", dir, module + "xds", module + "extproc", module + "bridge"},
		{"-race", "-o", filepath.Join(dir, "mooring"), module + "envoy"},
		{"-o", dir, module + "envoy/e2e/testserver"},
	} {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the programs:", err)
			return 1
		}
	}
	if err := os.Setenv(binVariable, dir); err != nil {
		fmt.Fprintln(os.Stderr, "naming the folder of the programs:", err)
		return 1
	}
	return m.Run()
}

// Program is the path of a program that Main built.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	dir := os.Getenv(binVariable)
	if dir == "" {
		tb.Fatal("the programs were not built: TestMain must call harness.Main")
	}
	return filepath.Join(dir, name)
}
