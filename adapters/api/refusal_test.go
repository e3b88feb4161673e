package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

var errSecret = errors.New("the secret place is gone")

func TestEveryFaultInOneAnswer(t *testing.T) {
	f := newFixture(t)
	body := `{"name":"Bad","imageName":5,"environmentVariables":{"MCP_ARGS":"'","MOORING_X":"1","A":null,"A":"","N\u0000":"x"},
		"replicaCount":"1","Description":"x","description":null,"useWorkloadIdentity":0,"requiredRoles":["a",1,"a"],"labels":[],
		"extra":{"deep":[1,{}]},"id":7,"createdBy":null,"createdAt":{},"lastUpdatedAt":[]}`
	p := f.must(t, 400, "alice", "POST", "/adapters", body).problem(t)
	want := []string{
		"#/Description", "#/description", "#/environmentVariables/A", "#/environmentVariables/A", "#/environmentVariables/MOORING_X",
		"#/environmentVariables/N%00", "#/extra", "#/imageName", "#/imageVersion", "#/labels", "#/name", "#/replicaCount",
		"#/requiredRoles/1", "#/requiredRoles/2", "#/useWorkloadIdentity",
	}
	if d := cmp.Diff(want, p.pointers()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, e := range p.Errors {
		if e.Pointer == "#/Description" && !strings.Contains(e.Detail, "description") {
			t.Errorf("%q does not say how the name is written", e.Detail)
		}
	}
}

func TestStrictDecoding(t *testing.T) {
	f := newFixture(t)
	for name, test := range map[string]struct{ body, pointer string }{
		"empty":             {" ", "#"},
		"no JSON":           {"name: one", "#"},
		"cut off":           {`{"name":"one"`, "#"},
		"list":              {"[]", "#"},
		"null":              {"null", "#"},
		"batch":             {"[" + minimal("one", "") + "]", "#"},
		"trailing object":   {minimal("one", "") + "{}", "#"},
		"trailing text":     {minimal("one", "") + "x", "#"},
		"BOM":               {"\ufeff" + minimal("one", ""), "#"},
		"invalid UTF-8":     {minimal("one", `,"description":"`+"\xff"+`"`), "#/description"},
		"lone surrogate":    {minimal("one", `,"description":"\ud800"`), "#/description"},
		"comment":           {minimal("one", "") + "//", "#"},
		"trailing comma":    {minimal("one", ","), "#"},
		"duplicate":         {minimal("one", `,"name":"two"`), "#/name"},
		"escaped duplicate": {minimal("one", `,"n\u0061me":"two"`), "#/name"},
		"nested duplicate":  {minimal("one", `,"labels":{"a":"b","a":"c"}`), "#/labels/a"},
		"other case":        {minimal("one", `,"REPLICACOUNT":2`), "#/REPLICACOUNT"},
		"unknown":           {minimal("one", `,"replicas":2`), "#/replicas"},
		"null member":       {minimal("one", `,"replicaCount":null`), "#/replicaCount"},
		"fraction":          {minimal("one", `,"replicaCount":1.5`), "#/replicaCount"},
		"huge":              {minimal("one", `,"replicaCount":1e999`), "#/replicaCount"},
		"negative huge":     {minimal("one", `,"replicaCount":-1e99`), "#/replicaCount"},
		"too many":          {minimal("one", `,"replicaCount":11`), "#/replicaCount"},
		"text for number":   {minimal("one", `,"replicaCount":"2"`), "#/replicaCount"},
		"deep":              {minimal("one", `,"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)), "# #/x"},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.must(t, 400, "alice", "POST", "/adapters", test.body).problem(t)
			if d := cmp.Diff(strings.Fields(test.pointer), got.pointers()); d != "" {
				t.Errorf("%+v (-want +got):\n%.300s", got.Errors[0].Detail, d)
			}
		})
	}
	f.must(t, 201, "alice", "POST", "/adapters", " \n"+minimal("one", `,"replicaCount":2.0e0,"id":null,"createdAt":"x"`)+"\n ")
}

func TestManyFaultsAreCutOff(t *testing.T) {
	f := newFixture(t)
	var unknown strings.Builder
	for i := range 500 {
		fmt.Fprintf(&unknown, `,"x%d":1`, i)
	}
	p := f.must(t, 400, "alice", "POST", "/adapters", minimal("one", unknown.String())).problem(t)
	if len(p.Errors) != 100 || !strings.Contains(p.Detail, "100 of 500") {
		t.Errorf("%d errors, detail %q", len(p.Errors), p.Detail)
	}
}

func TestBodies(t *testing.T) {
	f := newFixture(t, func(cfg *api.Config) { cfg.MaxBodyBytes = 1000 })
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", ""))
	for _, test := range []struct {
		status          int
		method, headers string
	}{
		{415, "POST", "Content-Type:"},
		{415, "POST", "Content-Type:text/plain"},
		{415, "POST", "Content-Type:application/x-www-form-urlencoded"},
		{415, "POST", "Content-Type:application/json; charset=latin1"},
		{415, "POST", "Content-Type:application/merge-patch+json"},
		{415, "PUT", "Content-Type:application/merge-patch+json"},
		{415, "PATCH", "Content-Type:application/json-patch+json"},
		{415, "POST", "Content-Encoding:gzip"},
		{409, "POST", "Content-Type:application/json; charset=UTF-8"},
		{200, "PUT", "Content-Type:Application/JSON"},
		{200, "PATCH", "Content-Type:application/json"},
	} {
		path := "/adapters/one"
		if test.method == "POST" {
			path = "/adapters"
		}
		name, value, _ := strings.Cut(test.headers, ":")
		if got := f.do(t, "alice", test.method, path, minimal("one", ""), name, value); got.status != test.status {
			t.Errorf("%s with %s: status %d, want %d", test.method, test.headers, got.status, test.status)
		} else if test.status == 415 && test.method == "PATCH" && got.header.Get("Accept-Patch") == "" {
			t.Error("415 for PATCH without Accept-Patch")
		}
	}
	large := minimal("two", `,"description":"`+strings.Repeat("x", 1000)+`"`)
	f.must(t, 413, "alice", "POST", "/adapters", large)
	f.must(t, 413, "alice", "PUT", "/adapters/one", large)
	f.must(t, 413, "alice", "PATCH", "/adapters/one", large)
	for i := range 2 {
		status := []int{200, 413}[i]
		f.must(t, status, "alice", "PATCH", "/adapters/one", fmt.Sprintf(`{"environmentVariables":{"A%d":%q}}`, i, strings.Repeat("x", 500)))
	}
}

func TestPrivileges(t *testing.T) {
	f := newFixture(t, func(cfg *api.Config) {
		cfg.Policy = func() policy.Settings {
			return policy.Settings{Roles: policy.Roles{WorkloadIdentity: "cloud", Commands: "tools"}}
		}
	})
	loader := `,"environmentVariables":{"MCP_COMMAND":"npx","LD_PRELOAD":"x","PATH":"y"}`
	withLoader := func(name string) string {
		return strings.Replace(minimal(name, loader), `"environmentVariables":{"MCP_COMMAND":"npx"},`, "", 1)
	}
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", ""))
	identity := `,"useWorkloadIdentity":true`
	raw := func(name string) string { return strings.Replace(minimal(name, ""), `"npx"`, `"/bin/sh"`, 1) }
	image := `{"name":"five","imageName":"registry.example/server","imageVersion":"1"}`
	for _, test := range []struct {
		status              int
		roles, method, body string
		pointers            []string
	}{
		{403, "", "POST", withLoader("two"), []string{"#/environmentVariables/LD_PRELOAD", "#/environmentVariables/PATH"}},
		{403, "cloud", "POST", withLoader("two"), []string{"#/environmentVariables/LD_PRELOAD", "#/environmentVariables/PATH"}},
		{201, "mcp.admin", "POST", withLoader("two"), nil},
		{403, "", "POST", minimal("three", identity), []string{"#/useWorkloadIdentity"}},
		{201, "cloud", "POST", minimal("three", identity), nil},
		{403, "", "PUT", withLoader("one"), []string{"#/environmentVariables/LD_PRELOAD", "#/environmentVariables/PATH"}},
		{403, "", "PUT", minimal("one", identity), []string{"#/useWorkloadIdentity"}},
		{403, "", "PATCH", `{"useWorkloadIdentity":true}`, []string{"#/useWorkloadIdentity"}},
		{403, "", "PATCH", `{"environmentVariables":{"NODE_OPTIONS":"x"}}`, []string{"#/environmentVariables/NODE_OPTIONS"}},
		{200, "cloud", "PATCH", `{"useWorkloadIdentity":true}`, nil},
		{200, "mcp.admin", "PUT", withLoader("one"), nil},
		{200, "", "PATCH", `{"description":"z"}`, nil},
		{200, "", "PUT", withLoader("one"), nil},
		{403, "", "PATCH", `{"environmentVariables":{"PATH":"z"}}`, []string{"#/environmentVariables/PATH"}},
		{403, "", "POST", raw("four"), []string{"#/environmentVariables/MCP_COMMAND"}},
		{403, "cloud", "PUT", raw("one"), []string{"#/environmentVariables/MCP_COMMAND"}},
		{403, "", "PATCH", `{"environmentVariables":{"MCP_COMMAND":"/bin/sh","LD_PRELOAD":null,"PATH":null}}`, []string{"#/environmentVariables/MCP_COMMAND"}},
		{200, "tools", "PUT", raw("one"), nil},
		{201, "mcp.admin", "POST", raw("four"), nil},
		{403, "", "POST", image, []string{"#/imageName"}},
	} {
		path := "/adapters/one"
		if test.method == "POST" {
			path = "/adapters"
		}
		got := f.must(t, test.status, "alice", test.method, path, test.body, "Roles", test.roles)
		if test.status != 403 {
			continue
		}
		p := got.problem(t)
		if d := cmp.Diff(test.pointers, p.pointers()); d != "" || !strings.Contains(p.Errors[0].Detail, "mcp.admin") {
			t.Errorf("%s %s: %+v (-want +got):\n%s", test.method, test.body, p, d)
		}
	}
}

func TestLaunchRules(t *testing.T) {
	f := newFixture(t)
	for env, pointer := range map[string]string{
		`{"MCP_COMMAND":"npx","MCP_ARGS":"-y 'open"}`:              "#/environmentVariables/MCP_ARGS",
		`{"MCP_PROXY_URL":"ftp://example.com"}`:                    "#/environmentVariables/MCP_PROXY_URL",
		`{"MCP_PROXY_URL":"http://169.254.169.254/mcp"}`:           "#/environmentVariables/MCP_PROXY_URL",
		`{"MCP_PROXY_URL":"http://127.0.0.1/mcp"}`:                 "#/environmentVariables/MCP_PROXY_URL",
		`{"MCP_COMMAND":"npx","AZURE_FEDERATED_TOKEN_FILE":"x"}`:   "#/environmentVariables/AZURE_FEDERATED_TOKEN_FILE",
		`{"MCP_COMMAND":"npx","MCP_PROXY_URL":"http://127.0.0.1"}`: "#/environmentVariables",
		`{}`: "#/environmentVariables",
		`{"MCP_COMMAND":"npx","MCP_ARGS":"` + strings.Repeat("a ", launch.MaxArgs+1) + `"}`:    "#/environmentVariables/MCP_ARGS",
		`{"MCP_COMMAND":"npx","MCP_ARGS":"` + strings.Repeat("a", launch.MaxArgRunes+1) + `"}`: "#/environmentVariables/MCP_ARGS",
		`{"MCP_COMMAND":"npx","MCP_ARGS":"'a\nb'"}`:                                            "#/environmentVariables/MCP_ARGS",
		`{"MCP_COMMAND":"npx","MCP_ARGS":"[\"a\\u0000\"]"}`:                                    "#/environmentVariables/MCP_ARGS",
	} {
		body := strings.Replace(minimal("one", ""), `{"MCP_COMMAND":"npx"}`, env, 1)
		p := f.must(t, 400, "alice", "POST", "/adapters", body).problem(t)
		if d := cmp.Diff([]string{pointer}, p.pointers()); d != "" {
			t.Errorf("%s: %+v (-want +got):\n%s", env, p, d)
		}
	}
}

func TestUnsupported(t *testing.T) {
	f := newFixture(t)
	f.deployer.SetSupports(func(s adapters.Spec) error {
		if s.ImageName == adapters.BridgeImage {
			return nil
		}
		return fmt.Errorf("image %q: images run on Kubernetes: %w", s.ImageName, adapters.ErrUnsupported)
	})
	own := strings.Replace(minimal("own", ""), `"mcp-proxy"`, `"registry.example/own"`, 1)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("own", ""))
	for _, method := range []string{"POST /adapters", "PUT /adapters/own", "PATCH /adapters/own"} {
		method, path, _ := strings.Cut(method, " ")
		p := f.must(t, 422, "alice", method, path, own, "Roles", "mcp.admin").problem(t)
		if !strings.Contains(p.Detail, "Kubernetes") {
			t.Errorf("%s: %q does not say what runs it", method, p.Detail)
		}
	}
}

func TestNamesAreKept(t *testing.T) {
	f := newFixture(t)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", ""))
	for method, body := range map[string]string{
		"PUT":   minimal("two", ""),
		"PATCH": `{"name":"two"}`,
	} {
		p := f.must(t, 400, "alice", method, "/adapters/one", body).problem(t)
		if d := cmp.Diff([]string{"#/name"}, p.pointers()); d != "" {
			t.Errorf("%s (-want +got):\n%s", method, d)
		}
	}
}

func TestPatchIsStrict(t *testing.T) {
	f := newFixture(t)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", `,"labels":{"a":"b"}`))
	for body, pointer := range map[string]string{
		`[]`:                               "#",
		`"x"`:                              "#",
		`{"description":"a"} x`:            "#",
		`{"description":"a",}`:             "#",
		`{"nmae":null}`:                    "#/nmae",
		`{"Labels":null}`:                  "#/Labels",
		`{"labels":null,"labels":{}}`:      "#/labels",
		`{"labels":{"a":"x","a":"y"}}`:     "#/labels/a",
		`{"imageName":null}`:               "#/imageName",
		`{"labels":{"a":1}}`:               "#/labels/a",
		`{"labels":"x"}`:                   "#/labels",
		`{"environmentVariables":null}`:    "#/environmentVariables",
		`{"description":"` + "\xff" + `"}`: "#/description",
	} {
		p := f.must(t, 400, "alice", "PATCH", "/adapters/one", body).problem(t)
		if d := cmp.Diff([]string{pointer}, p.pointers()); d != "" {
			t.Errorf("%s: %+v (-want +got):\n%s", body, p, d)
		}
	}
	f.must(t, 200, "alice", "PATCH", "/adapters/one", `{"id":"x","createdBy":null,"labels":{"none":null}}`)
	got := f.must(t, 200, "alice", "PATCH", "/adapters/one", `{"labels":{"a":null,"c":"d"}}`).adapter(t)
	if d := cmp.Diff(map[string]string{"c": "d"}, got.Labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
}
