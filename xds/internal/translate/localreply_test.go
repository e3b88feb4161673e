package translate

import (
	"regexp"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// TestNotAllowed: Envoy's expressions match whole values.
func TestNotAllowed(t *testing.T) {
	expression := regexp.MustCompile("^(?:" + notAllowed + ")$")
	for verdict, want := range map[string]bool{
		contract.VerdictAllow: false,
		"allows":              true, "allo": true, "allov": true, "callow": true, "elect": true, "alter": true, "all_w": true, "al_ow": true, "refused": true,
	} {
		if got := expression.MatchString(verdict); got != want {
			t.Errorf("%q: matches %t, want %t", verdict, got, want)
		}
	}
}

func TestModernVersions(t *testing.T) {
	expression := regexp.MustCompile("^(?:" + modernVersions + ")$")
	for version, want := range map[string]bool{
		"2024-11-05": false, "2025-03-26": false, "2025-06-18": false, "2025-11-25": false, "2026-07-27": false,
		"2026-07-28": true, "2026-07-31": true, "2026-08-01": true, "2026-12-31": true, "2027-01-01": true, "2030-06-01": true, "2099-12-31": true,
		"": false, "x": false, "2026-07-28,2025-11-25": false,
	} {
		if got := expression.MatchString(version); got != want {
			t.Errorf("%q: matches %t, want %t", version, got, want)
		}
	}
}
