package local

import (
	"slices"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

func TestOperatorsLimitsReachBridges(t *testing.T) {
	operator := []string{"PATH=/bin", "GATEWAY_TOKEN=secret", "MOORING_LOG_LEVEL=debug"}
	for _, name := range launch.BridgeLimits() {
		operator = append(operator, name+"=7")
	}
	got := environment(operator, map[string]string{"MCP_COMMAND": "x"}, record{Instance: "i"})
	for _, name := range launch.BridgeLimits() {
		if !slices.Contains(got, name+"=7") {
			t.Errorf("%s is not in %q", name, got)
		}
	}
	for _, variable := range []string{"GATEWAY_TOKEN=secret", "MOORING_LOG_LEVEL=debug"} {
		if slices.Contains(got, variable) {
			t.Errorf("%s is in %q", variable, got)
		}
	}
}
