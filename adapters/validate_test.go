package adapters_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func valid() adapters.Spec {
	return adapters.Spec{
		Name: "one", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1,
		EnvironmentVariables: map[string]string{"MCP_COMMAND": "npx"},
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	spec := adapters.Spec{
		Name:         "-Bad-",
		ImageName:    "registry.example/Upper",
		ImageVersion: ".1",
		ReplicaCount: -1,
		Description:  strings.Repeat("é", 4097),
		EnvironmentVariables: map[string]string{
			"1ST": "", "A-B": "", "NUL": "\x00", "LONG": strings.Repeat("x", 65537), strings.Repeat("N", 257): "",
		},
		RequiredRoles: []string{"reader", "", "a\nb", "reader", strings.Repeat("r", 257)},
		Labels:        map[string]string{"-x": "", "x": "-", "A.B/x": "", strings.Repeat("k", 64): "v"},
	}
	var pointers []string
	for _, fault := range spec.Validate(adapters.Limits{}) {
		pointers = append(pointers, fault.Pointer)
	}
	want := []string{
		"/name", "/imageName", "/imageVersion",
		"/environmentVariables/1ST", "/environmentVariables/A-B", "/environmentVariables/LONG",
		"/environmentVariables/" + strings.Repeat("N", 257), "/environmentVariables/NUL",
		"/replicaCount", "/description",
		"/requiredRoles/1", "/requiredRoles/2", "/requiredRoles/3", "/requiredRoles/4",
		"/labels/-x", "/labels/A.B~1x", "/labels/" + strings.Repeat("k", 64), "/labels/x",
	}
	if d := cmp.Diff(want, pointers); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestValidateBridge(t *testing.T) {
	for name, test := range map[string]struct {
		env     map[string]string
		pointer string
	}{
		"command":            {map[string]string{"MCP_COMMAND": "npx"}, ""},
		"command and args":   {map[string]string{"MCP_COMMAND": "npx", "MCP_ARGS": ""}, ""},
		"URL":                {map[string]string{"MCP_PROXY_URL": "https://example.com"}, ""},
		"neither":            {nil, "/environmentVariables"},
		"both":               {map[string]string{"MCP_COMMAND": "npx", "MCP_PROXY_URL": "x"}, "/environmentVariables"},
		"args with URL":      {map[string]string{"MCP_ARGS": "-y", "MCP_PROXY_URL": "x"}, "/environmentVariables/MCP_ARGS"},
		"empty command":      {map[string]string{"MCP_COMMAND": ""}, "/environmentVariables/MCP_COMMAND"},
		"empty URL":          {map[string]string{"MCP_PROXY_URL": ""}, "/environmentVariables/MCP_PROXY_URL"},
		"another case of it": {map[string]string{"mcp_command": "npx"}, "/environmentVariables"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := valid()
			spec.EnvironmentVariables = test.env
			faults := spec.Validate(adapters.Limits{})
			if test.pointer == "" && len(faults) > 0 || test.pointer != "" && (len(faults) != 1 || faults[0].Pointer != test.pointer) {
				t.Errorf("got %v, want a fault at %q", faults, test.pointer)
			}
		})
	}
	own := valid()
	own.ImageName, own.EnvironmentVariables = "server", nil
	if faults := own.Validate(adapters.Limits{}); len(faults) > 0 {
		t.Errorf("an image of the user's own needs no command: %v", faults)
	}
}

func TestValidateReplicaLimit(t *testing.T) {
	for _, test := range []struct {
		limit, count int
		ok           bool
	}{
		{0, 0, true}, {0, 10, true}, {0, 11, false}, {2, 2, true}, {2, 3, false},
		{50, 50, true}, {5000, 1000, true}, {5000, 1001, false}, {-1, 10, true},
	} {
		spec := valid()
		spec.ReplicaCount = test.count
		faults := spec.Validate(adapters.Limits{MaxReplicas: test.limit})
		if (len(faults) == 0) != test.ok {
			t.Errorf("limit %d, count %d: %v", test.limit, test.count, faults)
		}
	}
}

// TestImageRulesAgreeWithTheReferenceLibrary holds the two patterns to the
// library that container tools use, which this package may not import.
func TestImageRulesAgreeWithTheReferenceLibrary(t *testing.T) {
	names := []string{
		"mcp-proxy", "a", "team/server", "registry.example/team/server", "localhost:5000/x", "REGISTRY.example:443/x/y",
		"a_b", "a__b", "a___b", "a.b", "a..b", "a-b", "a--b", "-a", "a-", "A", "a/B", "/a", "a/", "a//b", "", "a b", "a:b",
		"a@sha256", "host:port/x", "1.2.3.4:80/x", "ä", "x\n", "host:/x", "-host/x", "host.-x/y", strings.Repeat("a", 255),
	}
	for _, name := range names {
		spec := valid()
		spec.ImageName = name
		spec.EnvironmentVariables = map[string]string{"MCP_COMMAND": "npx"}
		_, err := reference.WithName(name)
		if faults := spec.Validate(adapters.Limits{}); (err == nil) != (len(faults) == 0) {
			t.Errorf("name %q: %v, but the library says: %v", name, faults, err)
		}
	}
	repository, err := reference.WithName("x")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1", "1.0.0", "_x", ".x", "-x", "x-", "a b", "", "ä", "x\n", strings.Repeat("t", 128), strings.Repeat("t", 129), "a:b", "a/b"} {
		spec := valid()
		spec.ImageVersion = tag
		_, err := reference.WithTag(repository, tag)
		if faults := spec.Validate(adapters.Limits{}); (err == nil) != (len(faults) == 0) {
			t.Errorf("tag %q: %v, but the library says: %v", tag, faults, err)
		}
	}
}

func TestValidationError(t *testing.T) {
	if err := adapters.Invalid(nil); err != nil {
		t.Errorf("no faults: %v", err)
	}
	err := adapters.Invalid([]adapters.Fault{{Pointer: "/name", Message: "A."}, {Message: "B."}})
	if !errors.Is(err, adapters.ErrInvalid) {
		t.Errorf("%v is not ErrInvalid", err)
	}
	var fault adapters.Fault
	if !errors.As(err, &fault) || fault.Pointer != "/name" {
		t.Errorf("the first fault is not found in %v: %v", err, fault)
	}
	if want := "invalid adapter: /name: A.; B."; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestMergeFaults(t *testing.T) {
	at := func(pointers ...string) (faults []adapters.Fault) {
		for _, p := range pointers {
			faults = append(faults, adapters.Fault{Pointer: p})
		}
		return faults
	}
	got := adapters.MergeFaults(at("/env", "/name"), at("/env/A", "/name", "/names", "/x", "/x", ""))
	if d := cmp.Diff(at("/env", "/name", "/names", "/x", "/x", ""), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPointer(t *testing.T) {
	if got, want := adapters.Pointer("a/b", "~1", ""), "/a~1b/~01/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
