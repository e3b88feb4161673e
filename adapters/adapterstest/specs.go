package adapterstest

import (
	"strings"

	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
)

// Specs draws specs that are valid, or have a fault in one place, or, seldom, in
// several: each rule of Validate decides alone often enough, so that another
// implementation of the rules can be held to it.
func Specs() *rapid.Generator[adapters.Spec] {
	return rapid.Custom(func(t *rapid.T) adapters.Spec {
		drawn := anySpecs().Draw(t, "spec")
		takes := rapid.SampledFrom(append(members(), nil)).Draw(t, "taken")
		if takes == nil {
			return drawn
		}
		spec := adapters.Spec{
			Name: "one", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1,
			EnvironmentVariables: map[string]string{"MCP_COMMAND": "npx"},
			UseWorkloadIdentity:  drawn.UseWorkloadIdentity,
		}
		if rapid.Bool().Draw(t, "remote") {
			spec.EnvironmentVariables = map[string]string{"MCP_PROXY_URL": "https://mcp.example"}
		}
		takes(&spec, drawn)
		return spec
	})
}

// members take members that have rules in common into a valid spec.
func members() []func(to *adapters.Spec, from adapters.Spec) {
	type spec = adapters.Spec
	return []func(to *spec, from spec){
		func(to *spec, from spec) { to.Name = from.Name },
		func(to *spec, from spec) {
			to.ImageName, to.EnvironmentVariables = from.ImageName, from.EnvironmentVariables
		},
		func(to *spec, from spec) { to.ImageVersion = from.ImageVersion },
		func(to *spec, from spec) { to.EnvironmentVariables = from.EnvironmentVariables },
		func(to *spec, from spec) { to.SecretEnvironmentVariables = from.SecretEnvironmentVariables },
		func(to *spec, from spec) { to.ReplicaCount, to.Description = from.ReplicaCount, from.Description },
		func(to *spec, from spec) { to.RequiredRoles = from.RequiredRoles },
		func(to *spec, from spec) { to.Labels = from.Labels },
		func(to *spec, from spec) { to.ToolRules = from.ToolRules },
		func(to *spec, from spec) { to.Affinity = from.Affinity },
		func(to *spec, from spec) { to.Limits = from.Limits },
		func(to *spec, from spec) {
			to.ProcessModel, to.SessionRecovery = from.ProcessModel, from.SessionRecovery
		},
		func(to *spec, from spec) { to.ProcessModel, to.ImageName = adapters.ProcessShared, from.ImageName },
		func(to *spec, from spec) {
			to.Inspection, to.ToolRules, to.Limits = from.Inspection, from.ToolRules, from.Limits
		},
		func(to *spec, from spec) { to.UpstreamAuth, to.Inspection = from.UpstreamAuth, from.Inspection },
		func(to *spec, from spec) { to.UpstreamAuth, to.ImageName = from.UpstreamAuth, from.ImageName },
	}
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

// anySpecs draws specs whose every member may be at fault.
func anySpecs() *rapid.Generator[adapters.Spec] {
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
