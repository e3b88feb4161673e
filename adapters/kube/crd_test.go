package kube

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const chart = "../../charts/mooring/"

// node is a part of a schema.
type node = map[string]any

func member(n node, names ...string) node {
	for _, name := range names {
		n, _ = n[name].(node)
	}
	return n
}

func apiSchema(t *testing.T) node {
	t.Helper()
	var schema node
	if err := json.Unmarshal(adapters.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func resourceSchema(t *testing.T) node {
	t.Helper()
	text, err := os.ReadFile(chart + "crds/mooring.dev_mcpadapters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema node `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	return definition.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// rules are what a structural schema can say like the API's. The conditions that
// it cannot say so are CEL, and are compared by what the API server makes of them
// (.ci/kube/api).
var rules = []string{"type", "pattern", "minimum", "maximum", "minItems", "maxItems", "maxProperties", "maxLength", "enum"}

// TestSchemasAgree holds each rule of the custom resource's schema equal to that
// of the API's.
func TestSchemasAgree(t *testing.T) {
	api, resource := apiSchema(t), member(resourceSchema(t), "properties", "spec")
	var want []string
	for name, rule := range member(api, "properties") {
		if name != "name" && rule.(node)["readOnly"] == nil {
			want = append(want, name)
		}
	}
	for field := range maps.Keys(member(resource, "properties")) {
		if !slices.Contains(memberNames(v1alpha1.PodSettings{}), field) && !slices.Contains(want, field) {
			t.Errorf("%s is not in the API's schema", field)
		}
	}
	for _, name := range want {
		sameRules(t, name, member(api, "properties", name), member(resource, "properties", name))
	}
	wantNames(t, "required", []any{"imageName", "imageVersion"}, resource["required"])
}

// implied are bounds of the custom resource that follow from a pattern. They make
// its rules cheap enough for Kubernetes.
var implied = map[string]float64{
	"affinity.maxLength": 71, "labels[].maxLength": 63,
}

func sameRules(t *testing.T, path string, api, resource node) {
	t.Helper()
	if resource == nil {
		t.Errorf("%s is not in the custom resource's schema", path)
		return
	}
	if path == "secretEnvironmentVariables[]" {
		return // values there, references here
	}
	if api["type"] == nil && api["enum"] != nil {
		api["type"] = "string"
	}
	for _, rule := range rules {
		want := api[rule]
		if bound, found := implied[path+"."+rule]; found && want == nil {
			want = bound
		}
		if rule == "enum" {
			wantNames(t, path+".enum", want, resource[rule])
			continue
		}
		if d := cmp.Diff(want, resource[rule]); d != "" {
			t.Errorf("%s.%s (-API +custom resource):\n%s", path, rule, d)
		}
	}
	if (api["uniqueItems"] == true) != (resource["x-kubernetes-list-type"] == "set") {
		t.Errorf("%s: %v items are a %v", path, api["uniqueItems"], resource["x-kubernetes-list-type"])
	}
	if items := member(api, "items"); items != nil {
		sameRules(t, path+"[]", items, member(resource, "items"))
	}
	if values := member(api, "additionalProperties"); values != nil {
		sameRules(t, path+"[]", values, member(resource, "additionalProperties"))
	}
	for name := range member(api, "properties") {
		sameRules(t, path+"."+name, member(api, "properties", name), member(resource, "properties", name))
	}
	if len(member(api, "properties")) > 0 {
		wantNames(t, path+".required", api["required"], resource["required"])
	}
}

// wantNames compares lists of texts as sets. Nil is an empty one.
func wantNames(t *testing.T, what string, want, got any) {
	t.Helper()
	names := func(list any) (all []string) {
		entries, _ := list.([]any)
		for _, entry := range entries {
			all = append(all, entry.(string))
		}
		slices.Sort(all)
		return all
	}
	if d := cmp.Diff(names(want), names(got)); d != "" {
		t.Errorf("%s (-API +custom resource):\n%s", what, d)
	}
}

// TestNamesOfMembersAreJudged: rules about the names in maps are beyond a
// CustomResourceDefinition, and so in an admission policy of the chart.
func TestNamesOfMembersAreJudged(t *testing.T) {
	text, err := os.ReadFile(chart + "templates/security/validation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range member(apiSchema(t), "properties") {
		names := member(rule.(node), "propertyNames")
		if names == nil {
			continue
		}
		if !strings.Contains(string(text), "object.spec.?"+name+".") {
			t.Errorf("%s is not judged", name)
		}
		all, _ := names["allOf"].([]any)
		for _, part := range append(all, names) {
			if pattern, has := part.(node)["pattern"].(string); has && !strings.Contains(string(text), "'"+pattern+"'") {
				t.Errorf("%s: nothing is held to %s", name, pattern)
			}
		}
	}
}

// TestNameAndHeaderRules: these two are texts in CEL.
func TestNameAndHeaderRules(t *testing.T) {
	all := resourceSchema(t)
	for where, want := range map[string]struct {
		of      node
		pattern any
	}{
		"name":     {all, member(apiSchema(t), "properties", "name")["pattern"]},
		"affinity": {member(all, "properties", "spec", "properties", "affinity"), member(apiSchema(t), "properties", "affinity", "not")["pattern"]},
	} {
		validations, _ := want.of["x-kubernetes-validations"].([]any)
		if !slices.ContainsFunc(validations, func(v any) bool {
			rule, _ := v.(node)["rule"].(string)
			return strings.Contains(rule, "matches('"+want.pattern.(string)+"')")
		}) {
			t.Errorf("%s is not held to %v", where, want.pattern)
		}
	}
}
