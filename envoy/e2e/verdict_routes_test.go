package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestEveryRouteNeedsAVerdict walks what the running Envoy was given: a route
// leads to the control plane, which authenticates by itself, or it has the
// external processor on with a policy, or Envoy answers by itself.
func TestEveryRouteNeedsAVerdict(t *testing.T) {
	m := deployed(t, newIssuer(t))
	var dump any
	if err := json.Unmarshal(envoyAdmin(t, m, "/config_dump?include_eds"), &dump); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, route := range routesIn(dump) {
		text := harness.JSON(m, route)
		action, _ := route["route"].(map[string]any)
		cluster, _ := action["cluster"].(string)
		filters, _ := route["typed_per_filter_config"].(map[string]any)
		judge := harness.JSON(m, filters["envoy.filters.http.ext_proc"])
		switch {
		case route["direct_response"] != nil, strings.HasPrefix(cluster, "mooring.internal."):
		case strings.HasPrefix(cluster, "adapter/"):
			count++
			if strings.Contains(judge, `"disabled":true`) || !strings.Contains(judge, "x-mooring-policy") {
				t.Errorf("a way around the external processor: %s", text)
			}
		default:
			t.Errorf("a route of an unknown kind: %s", text)
		}
	}
	if count < 6 {
		t.Errorf("only %d routes of two adapters were found", count)
	}
}

// routesIn finds every route in a dump, wherever it is: what has a match and
// an action.
func routesIn(value any) []map[string]any {
	var found []map[string]any
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			found = append(found, routesIn(v)...)
		}
	case map[string]any:
		if value["match"] != nil && (value["route"] != nil || value["direct_response"] != nil || value["redirect"] != nil) {
			return []map[string]any{value}
		}
		for _, v := range value {
			found = append(found, routesIn(v)...)
		}
	}
	return found
}

// envoyAdmin asks Envoy's own interface, which is a socket of the state folder.
func envoyAdmin(t *testing.T, m *harness.Mooring, path string) []byte {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(m.State, "run", "envoy-admin.sock"))
	}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://envoy" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
