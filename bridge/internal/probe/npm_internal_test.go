package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The lines are those of npm 11.
const npmLog = `0 verbose cli /usr/bin/node /usr/bin/npm
843 http fetch GET 200 https://registry.example/a/-/a-1.0.0.tgz 1802ms (cache miss)
844 http fetch GET 200 https://registry.example/a 18ms (cache miss)
845 info run a@1.0.0 postinstall node_modules/a node x.js
846 info run a@1.0.0 postinstall { code: 0, signal: null }
847 info run keytar@7.9.0 install node_modules/keytar prebuild-install || npm run build
`

func TestNPMLog(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("other.log", "1 info run evil@1 install { code: 1, signal: null }\n")
	if run := readNPM(dir); run.activity() != "" || run.cause() != "" {
		t.Errorf("of no log: %q, %q", run.activity(), run.cause())
	}
	write("2026-debug-0.log", "1 http fetch GET 200 https://registry.example/a 18ms (cache miss)\n")
	if got := readNPM(dir).activity(); got != "; npm has looked up 1 packages" {
		t.Errorf("activity %q", got)
	}
	write("2026-debug-0.log", npmLog[:strings.Index(npmLog, "845 ")])
	if got := readNPM(dir).activity(); got != "; npm has fetched 1 packages" {
		t.Errorf("activity %q", got)
	}
	write("2026-debug-0.log", npmLog)
	if got := readNPM(dir).activity(); got != "; npm runs the install script of the package keytar@7.9.0" {
		t.Errorf("activity %q", got)
	}
	write("2026-debug-0.log", npmLog+"848 info run keytar@7.9.0 install { code: 1, signal: null }\n")
	want := "npm could not install the server: the install script of the package keytar@7.9.0 failed with code 1; "
	if got := readNPM(dir).cause(); got != want {
		t.Errorf("cause %q", got)
	}
	if err := emptyFolder(dir); err != nil {
		t.Fatal(err)
	}
	if got := readNPM(dir).cause(); got != "" {
		t.Errorf("cause of the run before: %q", got)
	}
}

func FuzzNPMLog(f *testing.F) {
	f.Add([]byte(npmLog))
	f.Fuzz(func(t *testing.T, text []byte) {
		var run npmRun
		run.read(text)
		_ = run.activity() + run.cause()
	})
}
