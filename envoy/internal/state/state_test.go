package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/envoy/internal/state"
)

func open(t *testing.T, root string) *state.Folder {
	t.Helper()
	f, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestOpenMakesPrivateFolders(t *testing.T) {
	f := open(t, filepath.Join(envoytest.SocketDir(t), "new", "state"))
	for _, dir := range []string{f.Root(), f.Adapters(), f.Logs(), f.Runtime()} {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, error %v", dir, info, err)
		}
	}
}

func TestOpenTakesRightsOfOthersAway(t *testing.T) {
	root := envoytest.SocketDir(t)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if info, err := os.Stat(root); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, error %v", info, err)
	}
}

func TestSecondOpenNamesTheFirst(t *testing.T) {
	root := envoytest.SocketDir(t)
	first := open(t, root)
	_, err := state.Open(root)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Fatalf("error: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, root)
}

func TestLongPathGetsAShortRuntimeFolder(t *testing.T) {
	root := filepath.Join(envoytest.SocketDir(t), strings.Repeat("long", 30))
	f := open(t, root)
	runtime := f.Runtime()
	if len(f.Socket("b/0123456789abcdef")) > 107 || strings.HasPrefix(runtime, root) {
		t.Errorf("runtime folder %s", runtime)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(runtime); !os.IsNotExist(err) {
		t.Errorf("runtime folder is left behind: %v", err)
	}
	if again := open(t, root); again.Runtime() != runtime {
		t.Errorf("another runtime folder at the next start")
	}
}

func TestOpenRemovesOldSocketsButBridges(t *testing.T) {
	root := envoytest.SocketDir(t)
	b := filepath.Join(root, "run", "b")
	if err := os.MkdirAll(b, 0o700); err != nil {
		t.Fatal(err)
	}
	old, bridge := filepath.Join(root, "run", "ads.sock"), filepath.Join(b, "i.sock")
	for _, path := range []string{old, bridge} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, root)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("old socket: %v", err)
	}
	if _, err := os.Stat(bridge); err != nil {
		t.Errorf("bridge's socket: %v", err)
	}
}

func TestOpenRefusesWhatIsNoFolder(t *testing.T) {
	path := filepath.Join(envoytest.SocketDir(t), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("error: %v", err)
	}
}
