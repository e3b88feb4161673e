package adapters_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestNewUID(t *testing.T) {
	form := regexp.MustCompile(`^[a-z2-7]{26}$`)
	seen := map[adapters.UID]bool{}
	for range 1000 {
		id := adapters.NewUID()
		if !form.MatchString(string(id)) || seen[id] {
			t.Fatalf("UID %q is malformed or was there before", id)
		}
		seen[id] = true
	}
}

func TestTemplateHash(t *testing.T) {
	base := valid()
	hash := base.TemplateHash()
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(hash) {
		t.Errorf("hash %q", hash)
	}
	for name, change := range map[string]func(*adapters.Spec){
		"image":             func(s *adapters.Spec) { s.ImageName = "other" },
		"version":           func(s *adapters.Spec) { s.ImageVersion = "2" },
		"variable":          func(s *adapters.Spec) { s.EnvironmentVariables = map[string]string{"MCP_COMMAND": "uvx"} },
		"more variables":    func(s *adapters.Spec) { s.EnvironmentVariables = map[string]string{"MCP_COMMAND": "npx", "A": ""} },
		"no variables":      func(s *adapters.Spec) { s.EnvironmentVariables = nil },
		"workload identity": func(s *adapters.Spec) { s.UseWorkloadIdentity = true },
	} {
		changed := valid()
		change(&changed)
		if changed.TemplateHash() == hash {
			t.Errorf("%s: another template has the same hash", name)
		}
	}
	same := valid()
	same.Name, same.Description, same.ReplicaCount = "other", "other", 5
	same.RequiredRoles, same.Labels = []string{"r"}, map[string]string{"a": "b"}
	if same.TemplateHash() != hash {
		t.Error("the hash changes with what needs no new process")
	}
	empty, absent := valid(), valid()
	empty.EnvironmentVariables, absent.EnvironmentVariables = map[string]string{}, nil
	if empty.TemplateHash() != absent.TemplateHash() {
		t.Error("an empty environment has another hash than none")
	}
}

func TestSpecEqual(t *testing.T) {
	a, b := valid(), valid()
	b.RequiredRoles, b.Labels = []string{}, map[string]string{}
	if !a.Equal(b) {
		t.Error("empty and absent differ")
	}
	b.RequiredRoles = []string{"r"}
	if a.Equal(b) {
		t.Error("roles do not count")
	}
}

func TestServerEnvironment(t *testing.T) {
	spec := adapters.Spec{EnvironmentVariables: map[string]string{"A": "1", "MCP_PROCESS": "isolated"}}
	before := spec.TemplateHash()
	spec.ProcessModel, spec.SessionRecovery = adapters.ProcessShared, adapters.RecoveryFail
	want := map[string]string{"A": "1", "MCP_PROCESS": "shared", "MCP_SESSION_RECOVERY": "fail"}
	if diff := cmp.Diff(want, spec.ServerEnvironment()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if spec.EnvironmentVariables["MCP_PROCESS"] != "isolated" || spec.TemplateHash() == before {
		t.Error("the settings of the bridge are no part of what a process is started from")
	}
	if got := (adapters.Spec{}).ServerEnvironment(); got == nil || len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
