package launch

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckEnvironment(t *testing.T) {
	const (
		fine = iota
		admin
		never
	)
	tests := map[string]int{
		"MCP_COMMAND": fine, "MCP_ARGS": fine, "MCP_PROXY_URL": fine, "ADO_MCP_AZURE_TOKEN_CREDENTIALS": fine,
		"AZURE_TOKEN_CREDENTIALS": fine, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": fine, "_x1": fine, "NODE_ENV": fine,
		"HTTPS_PROXY": fine, "path": fine, "git_dir": fine,

		"LD_PRELOAD": admin, "PATH": admin, "NODE_OPTIONS": admin, "NODE_PATH": admin, "PYTHONPATH": admin,
		"PYTHONSTARTUP": admin, "BASH_ENV": admin, "DOTNET_STARTUP_HOOKS": admin, "npm_config_registry": admin,
		"NPM_CONFIG_REGISTRY": admin, "nPm_Config_prefix": admin, "UV_INDEX_URL": admin, "PIP_INDEX_URL": admin,
		"GIT_SSH_COMMAND": admin, "SSL_CERT_FILE": admin, "GODEBUG": admin, "GOTRACEBACK": admin, "GOMAXPROCS": admin,
		"GOGC": admin, "GOMEMLIMIT": admin, "HOME": admin, "DENO_DIR": admin, "BUN_CONFIG": admin, "PERL5LIB": admin,
		"RUBYOPT": admin, "JAVA_TOOL_OPTIONS": admin, "CORECLR_PROFILER_PATH": admin,

		"MOORING_INSTANCE": never, "MOORING_X": never, "AZURE_FEDERATED_TOKEN_FILE": never, "AZURE_AUTHORITY_HOST": never,
		"MCP_LISTEN": never, "": never, "1A": never, "A-B": never, "A B": never, "A=B": never, "Ä": never, "A\x00": never,
		strings.Repeat("A", MaxNameBytes+1): never,
	}
	for name, want := range tests {
		faults := CheckEnvironment(map[string]string{name: "secret"})
		got := fine
		for _, f := range faults {
			if strings.Contains(f.Message, "secret") || f.Name != name || f.Message == "" {
				t.Errorf("%q: fault %+v", name, f)
			}
			got = never
			if f.NeedsAdmin {
				got = admin
			}
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", name, got, want)
		}
	}
}

func TestCheckEnvironmentBoundsAndOrder(t *testing.T) {
	env := map[string]string{"B": "a\x00b", "A": strings.Repeat("x", MaxValueBytes+1), "PATH": "", "MOORING_A": ""}
	var names []string
	for _, f := range CheckEnvironment(env) {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"A", "B", "MOORING_A", "PATH"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	many := map[string]string{}
	for i := range MaxVariables + 1 {
		many["A"+strconv.Itoa(i)] = ""
	}
	large := map[string]string{}
	for i := range 5 {
		large["A"+strconv.Itoa(i)] = strings.Repeat("x", MaxValueBytes)
	}
	for _, env := range []map[string]string{many, large} {
		if faults := CheckEnvironment(env); len(faults) != 1 || faults[0].Name != "" || faults[0].NeedsAdmin {
			t.Errorf("%d variables: got %+v, want one fault", len(env), faults)
		}
	}
}

func TestLoaderNamesAreInOrder(t *testing.T) {
	if !slices.IsSorted(loaderNames()) {
		t.Error("loaderNames are searched by halves, so they have to be in order")
	}
}

func FuzzCheckEnvironment(f *testing.F) {
	f.Add("PATH", "x")
	f.Add("A=B", "\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		faults := CheckEnvironment(map[string]string{name: value})
		if len(faults) == 0 && (strings.ContainsAny(name, "=\x00") || name == "" || strings.Contains(value, "\x00")) {
			t.Errorf("%q=%q was accepted", name, value)
		}
	})
}

func TestChildEnvironment(t *testing.T) {
	environ := []string{
		"PATH=/bin", "MCP_COMMAND=npx", "MCP_ARGS=-y", "MCP_PROXY_URL=x", "MCP_LISTEN=:1", "MCP_TRANSPORT=stdio",
		"MOORING_INSTANCE=old", "MOORING_STATE=/s", "A=1", "A=2", "B=x=y", "E=", "broken", "=x",
	}
	want := []string{"PATH=/bin", "MCP_TRANSPORT=stdio", "A=2", "B=x=y", "E=", "MOORING_INSTANCE=new"}
	if diff := cmp.Diff(want, ChildEnvironment(environ, "new")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := ChildEnvironment([]string{"MOORING_INSTANCE=old"}, ""); len(got) != 0 {
		t.Errorf("without an instance: got %q", got)
	}
}
