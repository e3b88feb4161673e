package remote_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

// TestHeadersOfTheAdapter take the place of what the client says.
func TestHeadersOfTheAdapter(t *testing.T) {
	var got http.Header
	_, target := bridge(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header }), func(cfg *remote.Config) {
		cfg.Headers = http.Header{"Authorization": {"Bearer adapter's"}, "X-Tenant": {"a"}}
	})
	post(t, target, "{}", "Authorization: Bearer client's", "X-Tenant: b", "X-Other: c")
	if got.Get("Authorization") != "Bearer adapter's" || len(got["X-Tenant"]) != 1 || got.Get("X-Tenant") != "a" || got.Get("X-Other") != "c" {
		t.Errorf("the server got %v", got)
	}
}

// TestForward: of the gateway's own headers the server gets those that the
// adapter asks for, and never another.
func TestForward(t *testing.T) {
	for name, forward := range map[string][]string{"nothing": nil, "identity": launch.IdentityHeaders()} {
		var got http.Header
		_, target := bridge(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header }),
			func(cfg *remote.Config) { cfg.Forward = forward })
		post(t, target, "{}", "X-Mooring-User: ann", "X-Mooring-Name: Ann", "X-Mooring-Roles: a,b", "X-Mooring-Identity: x.y.z",
			"X-Mooring-Principal: hash", "X-Mooring-Endpoint: e", "X-Mooring-Users: x", "Authorization: Bearer client's")
		var passed []string
		for header := range got {
			if strings.HasPrefix(header, "X-Mooring-") || header == "Authorization" {
				passed = append(passed, header)
			}
		}
		if len(passed) != len(forward) {
			t.Errorf("%s: passed on %v", name, passed)
		}
		for _, header := range forward {
			if got.Get(header) == "" {
				t.Errorf("%s: %s was dropped", name, header)
			}
		}
	}
}
