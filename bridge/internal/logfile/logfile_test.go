package logfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/logfile"
)

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := logfile.Open(path, 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"aaaa\n", "bbbb\n", "cccc\n", strings.Repeat("x", 50) + "\n", "dddd\n"} {
		if n, err := f.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path: "dddd\n", path + ".1": strings.Repeat("x", 50) + "\n"} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s holds %q, want %q", filepath.Base(name), got, want)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 2 {
		t.Errorf("there are %d files", len(entries))
	}
}

func TestOpenSaysWhy(t *testing.T) {
	if _, err := logfile.Open(filepath.Join(t.TempDir(), "no", "bridge.log"), 10); err == nil {
		t.Error("opened a file in a folder that does not exist")
	}
}
