package e2e

import "testing"

// TestKubernetes goes through one lab in this order: what is there in peace
// first, then what breaks it, a lost node last; an upgrade; what all of it asked of
// the API; and in the end, what is left.
func TestKubernetes(t *testing.T) {
	for _, step := range []struct {
		name string
		test func(*testing.T)
	}{
		{"helm test", helmTest},
		{"payloads", payloads},
		{"stdio", stdio},
		{"conformance", conformance},
		{"two doors", twoDoors},
		{"owners", owners},
		{"secrets", secrets},
		{"a former life", formerLife},
		{"API keys", apiKeys},
		{"status", statuses},
		{"quota", quota},
		{"traffic", traffic},
		{"logs", logs},
		{"own Envoy", ownEnvoy},
		{"without inspection", withoutInspection},
		{"identity keys", identityKeys},
		{"evictions", evictions},
		{"sessions", sessions},
		{"upgrade", upgrade},
		{"scale to zero", scaleToZero},
		{"network policies", networkPolicies},
		{"rights", rights},
		{"uninstall", uninstall},
	} {
		t.Run(step.name, step.test)
	}
}
