package adapters_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
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

// near draws texts that are valid, nearly valid, or anything.
func near(pattern string, examples ...string) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(pattern),
		rapid.SampledFrom(append(examples, "", "-", "a", "A", "é", "a\x00", "a\n")),
		rapid.StringN(0, 8, -1),
		rapid.Map(rapid.IntRange(0, 5), func(n int) string {
			return strings.Repeat("a", []int{63, 64, 128, 129, 256, 257}[n])
		}),
	)
}

func specs() *rapid.Generator[adapters.Spec] {
	return rapid.Custom(func(t *rapid.T) adapters.Spec {
		variable := near(`[A-Za-z_][A-Za-z0-9_]{0,5}`, "MCP_COMMAND", "MCP_ARGS", "MCP_PROXY_URL", "1A", "A-B")
		key := near(`[a-z0-9]{1,4}/[A-Za-z0-9]{1,4}`, "team", "example.com/team", "a/", "/a", "a/b/c", "A/b", "a..b/c",
			strings.Repeat("p", 253)+"/n", strings.Repeat("p", 254)+"/n")
		long := rapid.SampledFrom([]string{"", "text", strings.Repeat("é", 4096), strings.Repeat("é", 4097)})
		value := rapid.OneOf(rapid.StringN(0, 4, -1), rapid.SampledFrom([]string{strings.Repeat("é", 65536), strings.Repeat("é", 65537), "\x00"}))
		return adapters.Spec{
			Name:                 near(`[a-z0-9][a-z0-9-]{0,8}[a-z0-9]`, "a-", "9").Draw(t, "name"),
			ImageName:            near(`[a-z0-9.]{1,4}/[a-z0-9._-]{1,4}`, "mcp-proxy", "mcp-proxy", "mcp-proxy").Draw(t, "image"),
			ImageVersion:         near(`[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}`).Draw(t, "version"),
			EnvironmentVariables: rapid.MapOfN(variable, value, 0, 4).Draw(t, "environment"),
			ReplicaCount:         rapid.SampledFrom([]int{-1, 0, 1, 2, 1000, 1001}).Draw(t, "replicas"),
			Description:          long.Draw(t, "description"),
			UseWorkloadIdentity:  rapid.Bool().Draw(t, "identity"),
			RequiredRoles:        rapid.SliceOfN(near(`[a-z.]{1,4}`), 0, 3).Draw(t, "roles"),
			Labels:               rapid.MapOfN(key, near(`[A-Za-z0-9]{1,4}`), 0, 2).Draw(t, "labels"),
			Affinity:             adapters.Affinity(near(`none|principal|header:[a-z-]{1,3}`, "header:", "header:A", "header:via", "header:x-api-key", "header:viax", "header:x-dev-a", "header:x-dev", "header:mcp-param-a").Draw(t, "affinity")),
			Limits:               rapid.Ptr(trafficLimits(), true).Draw(t, "limits"),
			ToolRules:            rapid.Ptr(toolRules(), true).Draw(t, "toolRules"),
			ProcessModel:         adapters.ProcessModel(near(`isolated|shared`).Draw(t, "processModel")),
			SessionRecovery:      adapters.SessionRecovery(near(`resume|fail`).Draw(t, "sessionRecovery")),
			Inspection:           adapters.Inspection(near(`always|session`).Draw(t, "inspection")),
			SecretEnvironmentVariables: rapid.MapOfN(variable, rapid.Map(value, func(s string) adapters.Secret { return adapters.Secret(s) }), 0, 2).
				Draw(t, "secrets"),
			UpstreamAuth: rapid.Ptr(upstreamAuth(), true).Draw(t, "upstreamAuth"),
		}
	})
}

func trafficLimits() *rapid.Generator[adapters.TrafficLimits] {
	return rapid.Custom(func(t *rapid.T) adapters.TrafficLimits {
		limit := func(most int) int {
			return rapid.SampledFrom([]int{-1, 0, 0, 0, 1, most, most + 1}).Draw(t, "limit")
		}
		return adapters.TrafficLimits{
			RequestTimeoutSeconds: limit(86_400), ConcurrentRequests: limit(100_000), ConcurrentRequestsPerPrincipal: limit(100_000),
			RequestBodyBytes: limit(4_194_304), ConcurrentStreams: limit(100_000), ConcurrentStreamsPerPrincipal: limit(100_000),
			RequestsPerSecond: limit(1_000_000), RequestsPerSecondPerPrincipal: limit(1_000_000),
		}
	})
}

func upstreamAuth() *rapid.Generator[adapters.UpstreamAuth] {
	return rapid.Custom(func(t *rapid.T) adapters.UpstreamAuth {
		member := func(pattern string, examples ...string) string {
			return rapid.OneOf(rapid.Just(""), near(pattern, examples...)).Draw(t, "member")
		}
		return adapters.UpstreamAuth{
			Mode:   adapters.UpstreamMode(near(`none|identity|static|tokenExchange`, "static", "tokenExchange").Draw(t, "mode")),
			Secret: member(`[A-Z_]{1,4}`, "1A"), Header: member(`[A-Za-z-]{1,9}`, "a b", "a:"), Scheme: member(`Bearer|Basic`, "a b"),
			Audience: member(`[a-z]{1,4}`, "a b"), Resource: member(`https://[a-z#]{1,4}`, "a", "a:", "a:b#c"),
			Scopes: rapid.SliceOfN(near(`[a-z]{1,3}`, "a b", `a"b`, `a\b`), 0, 3).Draw(t, "scopes"),
		}
	})
}

func toolRules() *rapid.Generator[adapters.ToolRules] {
	return rapid.Custom(func(t *rapid.T) adapters.ToolRules {
		patterns := rapid.SliceOfN(near(`[a-z*]{1,3}`), 0, 3)
		return adapters.ToolRules{
			Allow:      patterns.Draw(t, "allow"),
			Deny:       patterns.Draw(t, "deny"),
			Expression: rapid.SampledFrom([]string{"", "true", strings.Repeat("é", 4096), strings.Repeat("é", 4097)}).Draw(t, "expression"),
		}
	})
}

// TestSchemaIsWhatValidateSays draws specs and repairs most of their members,
// so that each rule decides alone often enough.
func TestSchemaIsWhatValidateSays(t *testing.T) {
	schema := compiledSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		good := valid()
		keep := rapid.IntRange(0, 15).Draw(t, "kept")
		if keep != 0 {
			good.UseWorkloadIdentity = spec.UseWorkloadIdentity
			switch keep {
			case 1:
				good.Name = spec.Name
			case 2:
				good.ImageName, good.EnvironmentVariables = spec.ImageName, spec.EnvironmentVariables
			case 3:
				good.ImageVersion = spec.ImageVersion
			case 4:
				good.EnvironmentVariables = spec.EnvironmentVariables
			case 5:
				good.ReplicaCount, good.Description = spec.ReplicaCount, spec.Description
			case 6:
				good.RequiredRoles = spec.RequiredRoles
			case 7:
				good.Labels = spec.Labels
			case 8:
				good.ToolRules = spec.ToolRules
			case 9:
				good.Affinity = spec.Affinity
			case 10:
				good.Limits = spec.Limits
			case 11:
				good.ProcessModel, good.SessionRecovery = spec.ProcessModel, spec.SessionRecovery
			case 12:
				good.ProcessModel, good.ImageName = adapters.ProcessShared, spec.ImageName
			case 13:
				good.Inspection, good.ToolRules, good.Limits = spec.Inspection, spec.ToolRules, spec.Limits
			case 15:
				good.SecretEnvironmentVariables = spec.SecretEnvironmentVariables
			case 14:
				good.UpstreamAuth, good.Inspection = spec.UpstreamAuth, spec.Inspection
				if rapid.Bool().Draw(t, "remote") {
					good.EnvironmentVariables = map[string]string{"MCP_PROXY_URL": "https://mcp.example"}
				}
			}
			spec = good
		}
		compare(t, schema, spec)
	})
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
