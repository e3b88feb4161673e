package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// configuration reads what the running Envoy was given: a filter or route that
// is named wrongly is ignored in silence.
func configuration(t *testing.T, w *world) {
	var dump struct {
		Configs []struct {
			Type    string `json:"@type"`
			Filters []struct {
				Config struct {
					Name   string          `json:"name"`
					Config json.RawMessage `json:"typed_config"`
				} `json:"ecds_filter"`
				Error json.RawMessage `json:"error_state"`
			} `json:"ecds_filters"`
		} `json:"configs"`
	}
	text := w.envoy.ConfigDump()
	if err := json.Unmarshal(text, &dump); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range dump.Configs {
		for _, f := range c.Filters {
			if f.Error != nil {
				t.Errorf("%s: %s", f.Config.Name, f.Error)
			}
			got[f.Config.Name] = string(f.Config.Config)
		}
	}
	for name, want := range map[string]string{
		contract.FilterExtProc: "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
		contract.FilterJWT:     "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
	} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s is %.300s, not %s", name, got[name], want)
		}
		if n := strings.Count(string(text), `"name": "`+name+`"`); n < 2 {
			t.Errorf("%s is named %d times: in the listener, and as a filter of its own?", name, n)
		}
	}
	for _, secret := range []string{`"d"`, `\"d\"`, "PRIVATE"} {
		if strings.Contains(got[contract.FilterJWT], secret) {
			t.Error("a private key reached Envoy")
		}
	}
	routes := map[string]map[string]any{}
	for _, r := range routesIn(t, text) {
		routes[r["name"].(string)] = r
	}
	filters, _ := routes[fast+"/fast"]["typed_per_filter_config"].(map[string]any)
	if filters[contract.FilterJWT] == nil || filters[contract.FilterExtProc] == nil || routes[fast+"/fast"]["metadata"] == nil {
		t.Errorf("the fast route is %v", routes[fast+"/fast"])
	}
	if routes[inspect+"/fast"] != nil || routes[inspect+"/session"]["metadata"] != nil {
		t.Error("the adapter with inspection always has a way around the external processor")
	}
}

// routesIn finds every adapter's route in a dump.
func routesIn(t *testing.T, dump []byte) []map[string]any {
	t.Helper()
	var all any
	if err := json.Unmarshal(dump, &all); err != nil {
		t.Fatal(err)
	}
	var found []map[string]any
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				walk(v)
			}
		case map[string]any:
			if _, named := value["name"].(string); named && value["match"] != nil && value["route"] != nil {
				found = append(found, value)
			}
			for _, v := range value {
				walk(v)
			}
		}
	}
	walk(all)
	return found
}
