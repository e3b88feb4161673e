package locate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/internal/locate"
)

func script(t *testing.T, path, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("#!/bin/sh\necho\necho '%s  version: 9e5580/%s/Clean/RELEASE/BoringSSL'\n", path, version)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// checkout is a folder with built programs and, unless version is empty, an
// Envoy of that version in its tools.
func checkout(t *testing.T, version string) (dir, launcher string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"mooring", "xds", "extproc", "bridge"} {
		script(t, filepath.Join(dir, ".build", "bin", name), "0.0.0")
	}
	if version != "" {
		script(t, filepath.Join(dir, ".tools", "bin", "envoy"), version)
	}
	return dir, filepath.Join(dir, ".build", "bin", "mooring")
}

func TestFindPrefersTheCheckoutsEnvoy(t *testing.T) {
	dir, launcher := checkout(t, "1.40.3")
	onPath := filepath.Join(t.TempDir(), "envoy")
	script(t, onPath, "1.40.9")
	t.Setenv("PATH", filepath.Dir(onPath)+":/usr/bin:/bin")

	link := filepath.Join(t.TempDir(), "mooring")
	if err := os.Symlink(launcher, link); err != nil {
		t.Fatal(err)
	}
	p, err := locate.Find(t.Context(), locate.Options{Executable: link, Version: "1.40.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	if p.EnvoyVersion != "1.40.3" || p.Tools != filepath.Join(dir, ".tools", "bin") ||
		p.XDS != filepath.Join(dir, ".build", "bin", "xds") {
		t.Errorf("found %+v", p)
	}
}

func TestFindTakesEnvoyFromPathOrFlag(t *testing.T) {
	_, launcher := checkout(t, "")
	onPath := filepath.Join(t.TempDir(), "envoy")
	script(t, onPath, "1.40.9")
	t.Setenv("PATH", filepath.Dir(onPath)+":/usr/bin:/bin")
	chosen := filepath.Join(t.TempDir(), "my-envoy")
	script(t, chosen, "1.40.1")

	for envoy, want := range map[string]string{"": onPath, chosen: chosen} {
		p, err := locate.Find(t.Context(), locate.Options{Executable: launcher, Envoy: envoy, Version: "1.40.0"})
		if err != nil || p.Envoy != want {
			t.Errorf("--envoy %q: found %q, error %v", envoy, p.Envoy, err)
		}
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	_, launcher := checkout(t, "")
	t.Setenv("PATH", "/usr/bin:/bin")
	old := filepath.Join(t.TempDir(), "old-envoy")
	script(t, old, "1.39.2")
	for _, tt := range []struct{ envoy, want string }{
		{"", "run make tools"},
		{"/nowhere/envoy", "/nowhere/envoy"},
		{old, "is Envoy 1.39.2, but Mooring is made for 1.40.x"},
		{"/bin/true", "does not say which version"},
	} {
		_, err := locate.Find(t.Context(), locate.Options{Executable: launcher, Envoy: tt.envoy, Version: "1.40.0"})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("--envoy %q: %v", tt.envoy, err)
		}
	}
	if err := os.Remove(filepath.Join(filepath.Dir(launcher), "extproc")); err != nil {
		t.Fatal(err)
	}
	_, err := locate.Find(t.Context(), locate.Options{Executable: launcher, Version: "1.40.0"})
	if err == nil || !strings.Contains(err.Error(), "no program extproc") || !strings.Contains(err.Error(), "no Envoy") {
		t.Errorf("error names not both: %v", err)
	}
}
