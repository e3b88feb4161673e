package contract_test

import (
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// TestBoundTo: a session is of one adapter, whatever its policy was.
func TestBoundTo(t *testing.T) {
	for _, c := range []struct {
		binding string
		adapter adapters.UID
		want    bool
	}{
		{contract.SessionBinding("uid1", "7"), "uid1", true},
		{contract.SessionBinding("uid1", ""), "uid1", true},
		{contract.SessionBinding("uid1", "7"), "uid", false},
		{contract.SessionBinding("uid1", "7"), "uid12", false},
		{contract.SessionBinding("a/b", "7"), "a", false},
		{contract.SessionBinding("", "7"), "", false},
		{"uid1", "uid1", false},
		{"", "", false},
	} {
		if got := contract.BoundTo(c.binding, c.adapter); got != c.want {
			t.Errorf("%q is bound to %q: %v", c.binding, c.adapter, got)
		}
	}
}
