package adapters_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(adapters.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("adapter.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("adapter.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchemaIsWhatValidateSays draws specs of which most have one fault at most,
// so that each rule decides alone often enough.
func TestSchemaIsWhatValidateSays(t *testing.T) {
	schema := compiledSchema(t)
	rapid.Check(t, func(t *rapid.T) { compare(t, schema, adapterstest.Specs().Draw(t, "spec")) })
}

func TestSchemaIsWhatValidateSaysOfCounts(t *testing.T) {
	schema := compiledSchema(t)
	for _, count := range []int{63, 64, 65, 511, 512, 513} {
		variables, labels, roles := valid(), valid(), valid()
		labels.Labels = map[string]string{}
		for i := range count {
			name := "n" + strings.Repeat("x", i%9) + string(rune('a'+i%26)) + string(rune('a'+i/26))
			variables.EnvironmentVariables[name] = ""
			labels.Labels[name] = ""
			roles.RequiredRoles = append(roles.RequiredRoles, name)
		}
		for _, spec := range []adapters.Spec{variables, labels, roles} {
			compare(t, schema, spec)
		}
	}
}

func compare(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, schema *jsonschema.Schema, spec adapters.Spec,
) {
	text, err := json.Marshal(spec.Normalize())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if secrets, has := document.(map[string]any)["secretEnvironmentVariables"].(map[string]any); has {
		// As its author writes it.
		for name, value := range spec.Secrets() {
			secrets[name] = value
		}
	}
	faults := spec.Validate(adapters.Limits{MaxReplicas: adapters.MaxReplicaCount})
	if err := schema.Validate(document); (err == nil) != (len(faults) == 0) {
		t.Errorf("Validate says %v, and the schema says %v, of\n%.2000s", faults, err, text)
	}
}
