package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

// TestOperatorsRulesOfTheMoment: what a remote server may be follows the file.
func TestOperatorsRulesOfTheMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	allowed, err := policy.Open(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	check := launchCheck(launch.URLPolicy{AllowLoopback: true}, allowed)
	spec := adapters.Spec{ImageName: adapters.BridgeImage, EnvironmentVariables: map[string]string{"MCP_PROXY_URL": "http://127.0.0.1:7000/mcp"}}
	for _, rules := range []string{"", "egress: {loopback: false}", "egress: {only: [10.0.0.0/8]}", "egress: {only: [127.0.0.0/8]}"} {
		write(rules)
		wrong := len(check(spec)) > 0
		if want := rules == "egress: {loopback: false}" || rules == "egress: {only: [10.0.0.0/8]}"; wrong != want {
			t.Errorf("%q: it is at fault: %v", rules, wrong)
		}
	}
}
