package policy

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func parsed(t *testing.T, text string) Settings {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s
}

func command(name string, more ...string) adapters.Spec {
	s := adapters.Spec{Name: "a", ImageName: adapters.BridgeImage, EnvironmentVariables: map[string]string{"MCP_COMMAND": name}}
	for _, variable := range more {
		s.EnvironmentVariables[variable] = "x"
	}
	return s
}

// TestDemands is who needs a role for what, by the operator's settings. Each
// demand is written as its pointer and the role that lifts it.
func TestDemands(t *testing.T) {
	image := func(name string) adapters.Spec { return adapters.Spec{Name: "a", ImageName: name} }
	remote := adapters.Spec{ImageName: adapters.BridgeImage, EnvironmentVariables: map[string]string{"MCP_PROXY_URL": "http://x"}}
	identity := remote
	identity.UseWorkloadIdentity = true
	const raw, name = "/environmentVariables/MCP_COMMAND ", "/imageName "
	for _, tt := range []struct {
		settings string
		spec     adapters.Spec
		want     []string
	}{
		{"", command("npx"), nil},
		{"", command("uvx"), nil},
		{"", command("NPX"), []string{raw}},
		{"", command("/usr/bin/npx"), []string{raw}},
		{"", command("./npx"), []string{raw}},
		{"", command("npx "), []string{raw}},
		{"", command("node"), []string{raw}},
		{"", command("docker"), []string{raw}},
		{"commands: []", command("npx"), []string{raw}},
		{"commands: [node]", command("node"), nil},
		{"commands: [node]\nroles: {commands: tools}", command("npx"), []string{raw + "tools"}},
		{"commands: ['*']", command("/any/thing"), nil},
		{"", remote, nil},
		{"roles: {workloadIdentity: cloud}", identity, []string{"/useWorkloadIdentity cloud"}},
		{"roles: {loaderVariables: ops}", command("npx", "LD_PRELOAD", "UV_INDEX"), []string{"/environmentVariables/LD_PRELOAD ops", "/environmentVariables/UV_INDEX ops"}},
		{"commands: []", image("registry.example/a"), []string{name}},
		{"roles: {images: build}", image("registry.example/a"), []string{name + "build"}},
		{"images: [registry.example/a]", image("registry.example/a"), nil},
		{"images: [registry.example/a]", image("registry.example/ab"), []string{name}},
		{"images: [registry.example/a/*]", image("registry.example/a/b"), nil},
		{"images: [registry.example/a/*]", image("registry.example/a"), []string{name}},
		{"images: [registry.example/a/*]", image("registry.example/a/../b/c"), []string{name}},
		{"images: [registry.example/a/*]", image("registry.example/ab/c"), []string{name}},
		{"images: [registry.example/*]", image("registry.example.evil.example/x"), []string{name}},
		{"images: ['*']", image("anything"), nil},
	} {
		var got []string
		for _, d := range parsed(t, tt.settings).Demands(tt.spec) {
			got = append(got, d.Pointer+" "+d.Role)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q, %v (-want +got):\n%s", tt.settings, tt.spec.EnvironmentVariables, diff)
		}
	}
}

// TestDemandsOfChange is what of an adapter takes a role again when somebody
// changes it.
func TestDemandsOfChange(t *testing.T) {
	with := func(s adapters.Spec, change func(*adapters.Spec)) adapters.Spec {
		s.EnvironmentVariables = maps.Clone(s.EnvironmentVariables)
		change(&s)
		return s
	}
	set := func(name, value string) func(*adapters.Spec) {
		return func(s *adapters.Spec) { s.EnvironmentVariables[name] = value }
	}
	describe := func(s *adapters.Spec) { s.Description = "z" }
	identity := with(command("npx"), func(s *adapters.Spec) { s.UseWorkloadIdentity = true })
	loader, raw := command("npx", "NODE_OPTIONS"), command("/bin/sh")
	image := adapters.Spec{Name: "a", ImageName: "registry.example/a", ImageVersion: "1"}
	for name, tt := range map[string]struct {
		old, next adapters.Spec
		want      []string
	}{
		"variable kept":             {loader, with(loader, describe), nil},
		"variable kept beside":      {loader, with(loader, set("A", "b")), nil},
		"variable changed":          {loader, with(loader, set("NODE_OPTIONS", "y")), []string{"/environmentVariables/NODE_OPTIONS"}},
		"variable emptied":          {loader, with(loader, set("NODE_OPTIONS", "")), []string{"/environmentVariables/NODE_OPTIONS"}},
		"variable added, empty":     {command("npx"), with(loader, set("NODE_OPTIONS", "")), []string{"/environmentVariables/NODE_OPTIONS"}},
		"variable added beside one": {loader, with(loader, set("LD_PRELOAD", "x")), []string{"/environmentVariables/LD_PRELOAD"}},
		"variable removed":          {loader, command("npx"), nil},
		"command kept":              {raw, with(raw, describe), nil},
		"command's arguments":       {raw, with(raw, set("MCP_ARGS", "-c x")), []string{"/environmentVariables/MCP_COMMAND"}},
		"identity kept":             {identity, with(identity, describe), nil},
		"identity of another":       {identity, with(identity, set("MCP_ARGS", "evil")), []string{"/useWorkloadIdentity"}},
		"identity added":            {command("npx"), identity, []string{"/useWorkloadIdentity"}},
		"image kept":                {image, with(image, describe), nil},
		"image's version":           {image, with(image, func(s *adapters.Spec) { s.ImageVersion = "2" }), []string{"/imageName"}},
	} {
		var got []string
		for _, d := range (Settings{}).DemandsOfChange(tt.old, tt.next) {
			got = append(got, d.Pointer)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDemandsAreMetByRoles(t *testing.T) {
	for _, tt := range []struct {
		role string
		who  adapters.Principal
		want bool
	}{
		{"", adapters.Principal{Subject: "a", Roles: []string{adapters.AdminRole}}, true},
		{"tools", adapters.Principal{Subject: "a", Roles: []string{"tools"}}, true},
		{"tools", adapters.Principal{Subject: "a", Roles: []string{"Tools", "tool"}}, false},
		{"", adapters.Principal{Subject: "a", Roles: []string{""}}, false},
		{"tools", adapters.Principal{Roles: []string{"tools", adapters.AdminRole}}, false},
	} {
		if got := (Demand{Role: tt.role}).Met(tt.who); got != tt.want {
			t.Errorf("%q of %+v: %v", tt.role, tt.who, got)
		}
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"comands: []":                             "comands",
		"commands: [a]\ncommands: [b]":            "already defined",
		"commands: ['']":                          "commands[0]",
		"commands: ['a*']":                        "commands[0]",
		"images: ['*a']":                          "images[0]",
		"images: ['a*']":                          "images[0]",
		"maxReplicas: -1":                         "maxReplicas",
		"maxReplicas: 100000":                     "maxReplicas",
		"egress: {deny: [10.0.0.1]}":              "10.0.0.1",
		"egress: {alow: []}":                      "alow",
		"{}\n---\n{}":                             "more than one",
		"roles: {Commands: x}":                    "Commands",
		"x: '" + strings.Repeat("x", 1<<20) + "'": "longer than",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func TestFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	if _, err := Open(path, log); err == nil {
		t.Error("a file that is not there was opened")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("commands: [a]")
	f, err := Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(name string) bool { return len(f.Current().Demands(command(name))) == 0 }
	if !allowed("a") || allowed("npx") {
		t.Error("the file does not count")
	}
	write("commands: [")
	if !allowed("a") || allowed("npx") || strings.Count(logged.String(), "cannot be used") != 1 {
		t.Errorf("a broken file: %s", logged.String())
	}
	write("")
	if allowed("a") || !allowed("npx") {
		t.Error("the empty file is not the default")
	}
	if f, err := Open("", log); err != nil || len(f.Current().Demands(command("npx"))) != 0 {
		t.Errorf("no file is not the default: %v", err)
	}
}
