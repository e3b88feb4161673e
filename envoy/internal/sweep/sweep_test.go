package sweep_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/sweep"
)

func sleeper(t *testing.T, variable, value string) (cmd *exec.Cmd, ended <-chan error) {
	t.Helper()
	cmd = exec.Command("sleep", "60")
	cmd.Env = []string{"A=b", variable + "=" + value}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return cmd, done
}

func TestInstancesEndsInstancesOfThisFolderOnly(t *testing.T) {
	adapters := t.TempDir()
	if err := os.MkdirAll(filepath.Join(adapters, "uid", "mine-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, mine := sleeper(t, sweep.InstanceVariable, "mine-1")
	other, others := sleeper(t, sweep.InstanceVariable, "mine-10")

	n, err := sweep.Instances(adapters)
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

func TestInstancesOfNothing(t *testing.T) {
	if n, err := sweep.Instances(filepath.Join(t.TempDir(), "missing")); n != 0 || err != nil {
		t.Errorf("ended %d, error %v", n, err)
	}
}

func TestPartsWaitsThenKills(t *testing.T) {
	root := t.TempDir()
	if n, err := sweep.Parts(root, time.Hour); n != 0 || err != nil {
		t.Errorf("with no parts: ended %d, error %v", n, err)
	}
	leaving, left := sleeper(t, sweep.PartVariable, root)
	go func() { _ = leaving.Process.Kill() }()
	if n, err := sweep.Parts(root, time.Hour); n != 0 || err != nil {
		t.Errorf("with a part that ends: ended %d, error %v", n, err)
	}
	<-left
	_, killed := sleeper(t, sweep.PartVariable, root)
	if n, err := sweep.Parts(root, 0); n != 1 || err != nil {
		t.Errorf("with a part that stays: ended %d, error %v", n, err)
	}
	<-killed
}
