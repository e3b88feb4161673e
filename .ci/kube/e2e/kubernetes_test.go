package e2e

import "testing"

// TestKubernetes goes through one lab in this order: what is there in peace
// first, then what breaks it, a lost node last; and in the end what all of it
// asked of the API.
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
		{"sessions", sessions},
		{"rights", rights},
	} {
		t.Run(step.name, step.test)
	}
}
