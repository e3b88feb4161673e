package direct

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// installed is a program as npx starts it, with its files.
func installed(t *testing.T) stdio.Program {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "_npx", "0", "node_modules", ".bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"node", "server"} {
		if err := os.WriteFile(filepath.Join(bin, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return stdio.Program{
		Path: filepath.Join(bin, "node"),
		Argv: []string{"node", filepath.Join(bin, "server"), "-v", "x"},
		Env:  []string{"PATH=/a:/b", "HOME=/h", "npm_command=exec", "npm_config_offline=true", "EMPTY="},
	}
}

var npx = Wrapper{npm: true, args: []string{"-v", "x"}}

func TestJudge(t *testing.T) {
	found := installed(t)
	p, err := npx.judge(found, []string{"PATH=/b", "HOME=/h"}, []string{"npm_config_offline=true"})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(found.Env)
	want = slices.Delete(want, 3, 4)
	if diff := cmp.Diff(want, p.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if err := os.Remove(found.Argv[1]); err != nil {
		t.Fatal(err)
	}
	if p.Check() == nil {
		t.Error("a program whose script is gone is as good as before")
	}
}

func TestJudgeRefusesTheUnusual(t *testing.T) {
	for name, change := range map[string]func(*stdio.Program){
		"a title instead of arguments": func(p *stdio.Program) { p.Argv = []string{"my server"} },
		"arguments in between":         func(p *stdio.Program) { p.Argv = slices.Insert(p.Argv, 1, "--inspect") },
		"other arguments":              func(p *stdio.Program) { p.Argv[3] = "y" },
		"no arguments of its own":      func(p *stdio.Program) { p.Argv = p.Argv[2:] },
		"a relative script":            func(p *stdio.Program) { p.Argv[1] = "server" },
		"the project's own package":    func(p *stdio.Program) { p.Argv[1] = "/project/node_modules/.bin/server" },
		"a script that is gone":        func(p *stdio.Program) { p.Argv[1] += ".js" },
		"no environment":               func(p *stdio.Program) { p.Env = nil },
		"a lost variable":              func(p *stdio.Program) { p.Env = p.Env[1:] },
		"text for an environment":      func(p *stdio.Program) { p.Env[4] = "text" },
	} {
		t.Run(name, func(t *testing.T) {
			found := installed(t)
			change(&found)
			if _, err := npx.judge(found, []string{"PATH=/b", "HOME=/h"}, nil); err == nil {
				t.Error("it is taken")
			} else if name != "a script that is gone" && !errors.Is(err, errUnusual) {
				t.Errorf("error %v", err)
			}
		})
	}
}
