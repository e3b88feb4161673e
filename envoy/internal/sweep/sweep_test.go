package sweep_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/internal/sweep"
)

func sleeper(t *testing.T, instance string) (cmd *exec.Cmd, ended <-chan error) {
	t.Helper()
	cmd = exec.Command("sleep", "60")
	cmd.Env = []string{"A=b", sweep.Variable + "=" + instance}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return cmd, done
}

func TestSweepEndsInstancesOfThisFolderOnly(t *testing.T) {
	adapters := t.TempDir()
	if err := os.MkdirAll(filepath.Join(adapters, "uid", "mine-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, mine := sleeper(t, "mine-1")
	other, others := sleeper(t, "mine-10")

	n, err := sweep.Sweep(adapters)
	if err != nil || n != 1 {
		t.Errorf("ended %d, error %v", n, err)
	}
	<-mine
	select {
	case err := <-others:
		t.Errorf("another folder's process ended: %v", err)
	default:
	}
	if err := other.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-others
}

func TestSweepOfNothing(t *testing.T) {
	if n, err := sweep.Sweep(filepath.Join(t.TempDir(), "missing")); n != 0 || err != nil {
		t.Errorf("ended %d, error %v", n, err)
	}
}
