package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// identity is what is turned on beside headerUser.
type identity struct {
	// discovery is that of auth.yaml.
	discovery string
	keys      *apikeys.Keyring
	gate      *authn.Gate
}

const tenant = "11111111-2222-3333-4444-555555555555"

// withIdentity serves discovery and API keys; who calls is headerUser's to say.
func withIdentity(t *testing.T, i *identity) func(*api.Config) {
	t.Helper()
	dir := t.TempDir()
	settings, keys := filepath.Join(dir, "auth.yaml"), filepath.Join(dir, "apikeys.json")
	text := fmt.Sprintf("discovery: %s\napiKeys: true\nissuers:\n- url: https://login.invalid/%s/v2.0\n  entra: true\n  audiences: [%s]\n  requiredScopes: [mcp.use]\n", i.discovery, tenant, tenant)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	i.keys = apikeys.NewKeyring(keys, nil)
	var err error
	i.gate, err = authn.Open(authn.Options{File: settings, PublicURL: "https://" + gateway, Keys: i.keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *api.Config) {
		cfg.Discovery = i.gate.Handler()
		cfg.APIKeys = func(a api.Authenticator) http.Handler {
			return apikeys.Handler(apikeys.Config{Store: apikeys.NewFile(keys), Authenticator: a, Log: cfg.Log})
		}
	}
}

// rootHash is the principal of the user root in logs.
func rootHash() string { return adapters.Principal{Subject: "root"}.Hash() }

func TestIdentityIsOffInDevelopmentMode(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{
		"/apikeys", "/apikeys/x", "/oauth2/authorize", "/.well-known/oauth-authorization-server",
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/adapters/one/mcp",
	} {
		got := f.must(t, http.StatusNotFound, "alice", http.MethodGet, path, "").problem(t)
		if !strings.Contains(got.Detail, "--auth") {
			t.Errorf("%s: %s", path, got.Detail)
		}
	}
}

func TestDiscoveryIsForAnybodyFromAnyPage(t *testing.T) {
	for _, discovery := range []string{"standard", "entra"} {
		f := newFixture(t, withIdentity(t, &identity{discovery: discovery}))
		for path, want := range map[string]int{
			"/.well-known/oauth-protected-resource":                  200,
			"/.well-known/oauth-protected-resource/adapters/one/mcp": 200,
			"/.well-known/oauth-protected-resource/adapters/One/mcp": 404,
			"/.well-known/oauth-protected-resource/x":                404,
			"/.well-known/oauth-protected-resource-x":                403,
			"/.well-known/oauth-authorization-server":                map[string]int{"standard": 404, "entra": 200}[discovery],
			"/oauth2/authorize?resource=x&scope=y":                   map[string]int{"standard": 404, "entra": 302}[discovery],
			"/oauth2/other":                                          403,
		} {
			got := f.must(t, want, "", http.MethodGet, path, "", "Origin", "https://page.example", "Sec-Fetch-Site", "cross-site")
			if want == 200 && got.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %v", path, got.header)
			}
			if want >= 400 {
				got.problem(t)
			}
			if location := got.header.Get("Location"); want == 302 && (strings.Contains(location, "resource") || !strings.HasPrefix(location, "https://login.invalid/")) {
				t.Errorf("%s: leads to %s", path, location)
			}
		}
		f.must(t, http.StatusNoContent, "", http.MethodOptions, "/.well-known/oauth-protected-resource", "", "Origin", "https://page.example")
		f.must(t, http.StatusMisdirectedRequest, "", http.MethodGet, "/.well-known/oauth-protected-resource", "", "Host", "evil.example")
		f.must(t, http.StatusForbidden, "", http.MethodGet, "/adapters", "", "Origin", "https://page.example")
	}
}

func TestAPIKeysAreServed(t *testing.T) {
	id := &identity{discovery: "standard"}
	f := newFixture(t, withIdentity(t, id))
	f.must(t, 401, "", "GET", "/apikeys", "")
	f.must(t, 403, "alice", "GET", "/apikeys", "", "Roles", "reader")
	f.must(t, 503, "unknown", "GET", "/apikeys", "")
	f.must(t, 403, "root", "POST", "/apikeys", `{"name":"ci"}`, "Roles", "mcp.admin", "Origin", "https://page.example")
	f.must(t, 400, "root", "POST", "/apikeys", `{"name":"","roles":[""]}`, "Roles", "mcp.admin")
	f.must(t, 400, "root", "POST", "/apikeys", `{"name":"ci","name":"ci"}`, "Roles", "mcp.admin")
	f.must(t, 413, "root", "POST", "/apikeys", `{"name":"`+strings.Repeat("x", 70<<10)+`"}`, "Roles", "mcp.admin")
	f.must(t, 415, "root", "POST", "/apikeys", `{"name":"ci"}`, "Roles", "mcp.admin", "Content-Type", "text/plain")
	made := f.must(t, 201, "root", "POST", "/apikeys", `{"name":"ci","roles":["reader"]}`, "Roles", "mcp.admin")
	var key struct{ ID, Key string }
	if err := json.Unmarshal([]byte(made.body), &key); err != nil || made.header.Get("Location") != "/apikeys/"+key.ID {
		t.Fatalf("%v %s", made.header, made.body)
	}
	if p, err := id.gate.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + key.Key}}); err != nil || !p.Has("reader") {
		t.Errorf("the key is not accepted: %+v %v", p, err)
	}
	f.must(t, 200, "root", "GET", "/apikeys/"+key.ID, "", "Roles", "mcp.admin")
	if list := f.must(t, 200, "root", "GET", "/apikeys", "", "Roles", "mcp.admin"); strings.Contains(list.body, key.Key) {
		t.Error("the list shows the key")
	}
	f.must(t, 204, "root", "DELETE", "/apikeys/"+key.ID, "", "Roles", "mcp.admin")
	f.must(t, 404, "root", "DELETE", "/apikeys/"+key.ID, "", "Roles", "mcp.admin")
	if _, err := id.gate.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + key.Key}}); authn.AsRefusal(err).Reason != authn.ReasonAPIKey {
		t.Errorf("the revoked key: %v", err)
	}
	if log := f.logged(); strings.Contains(log, key.Key) || !strings.Contains(log, "path=/apikeys status=201") || !strings.Contains(log, "principal="+rootHash()) {
		t.Errorf("the log: %s", log)
	}
}

// TestRefusalsHaveTheirOwnStatus puts a real gate before the API: 401 with a
// challenge that leads on, before it is known whether there is such an adapter.
func TestRefusalsHaveTheirOwnStatus(t *testing.T) {
	id := &identity{discovery: "standard"}
	change := withIdentity(t, id)
	f := newFixture(t, change, func(cfg *api.Config) { cfg.Authenticator = id.gate })
	for path, resource := range map[string]string{
		"/adapters": "", "/adapters/none": "", "/apikeys": "", "/adapters/none/mcp": "/adapters/none/mcp", "/adapters/Bad_Name/mcp": "",
	} {
		got := f.must(t, 401, "", "GET", path, "")
		want := `resource_metadata="https://` + gateway + "/.well-known/oauth-protected-resource" + resource + `", scope=`
		if challenge := got.header.Get("WWW-Authenticate"); !strings.Contains(challenge, want) {
			t.Errorf("%s: challenge %s", path, challenge)
		}
		f.must(t, 401, "", "GET", path, "", "X-Dev-UserId", "root", "X-Dev-Roles", "mcp.admin")
	}
}
