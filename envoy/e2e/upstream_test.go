package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// toRemote is an adapter in front of r.
func toRemote(r *remote, name string, auth *adapters.UpstreamAuth) adapters.Spec {
	return adapters.Spec{
		Name: name, ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{"reader"},
		EnvironmentVariables: map[string]string{"MCP_PROXY_URL": r.URL + "/mcp"}, UpstreamAuth: auth,
	}
}

// seen are the headers of the last request that the server got.
func (r *remote) seen() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headers[len(r.headers)-1]
}

// keySet is what the gateway tells everybody of its identity keys.
func keySet(t *testing.T, m *harness.Mooring) jose.JSONWebKeySet {
	t.Helper()
	answer := m.MustDo(http.StatusOK, http.MethodGet, "/.well-known/mooring-jwks.json", "", "Origin", "https://page.example")
	if answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("Cache-Control") == "" {
		t.Errorf("headers %v", answer.Header)
	}
	var list jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(answer.Body), &list); err != nil {
		t.Fatal(err)
	}
	for _, key := range list.Keys {
		if !key.IsPublic() {
			t.Errorf("a private key is shown")
		}
	}
	return list
}

// said is what a token says once it is verified by the gateway's public keys.
func said(t *testing.T, m *harness.Mooring, token string) (claims map[string]any, keyID string) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	keyID = signed.Signatures[0].Header.KeyID
	list := keySet(t, m)
	found := list.Key(keyID)
	if len(found) != 1 {
		t.Fatalf("%d keys have the id of the token's", len(found))
	}
	payload, err := signed.Verify(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims, keyID
}

// TestIdentityReachesTheServer: a remote server whose adapter asks for it learns
// who calls and can verify it with nothing but the gateway's address; a client
// cannot say anything about that, and other servers learn nothing.
func TestIdentityReachesTheServer(t *testing.T) {
	i, r := newIssuer(t), startRemote(t)
	m := i.startWithIdentity(t)
	admin := i.admin(m)
	admin.Deploy(toRemote(r, "told", &adapters.UpstreamAuth{Mode: adapters.UpstreamIdentity}))
	admin.Deploy(toRemote(r, "plain", nil))
	ann := m.As(bearer(i.token("ann", []string{"reader", "a,b"}, map[string]any{"name": "Ann Ö"}))...)
	forged := []string{"X-Mooring-User", "root", "X-Mooring-Roles", "mcp.admin", "X-Mooring-Identity", "x.y.z", "X-Mooring-Extra", "1"}

	ann.Initialize("plain").Post(listTools, forged...)
	for name := range r.seen() {
		if strings.HasPrefix(name, "X-Mooring-") || name == "Authorization" {
			t.Errorf("a server whose adapter asks for nothing got %s", name)
		}
	}
	session := ann.Initialize("told")
	session.Post(listTools, forged...)
	got := r.seen()
	who := i.url + "|ann"
	for name, want := range map[string]string{
		"X-Mooring-User": who, "X-Mooring-Name": "Ann%20%C3%96", "X-Mooring-Roles": "reader,a%2Cb",
		"X-Mooring-Extra": "", "X-Mooring-Principal": "", "X-Mooring-Endpoint": "", "Authorization": "",
	} {
		if values := got.Values(name); strings.Join(values, " ") != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	claims, first := said(t, m, got.Get("X-Mooring-Identity"))
	issued, _ := claims["iat"].(float64)
	if d := cmp.Diff(map[string]any{
		"iss": m.URL(""), "aud": m.URL("/adapters/told/mcp"), "sub": who, "name": "Ann Ö", "roles": []any{"reader", "a,b"},
		"iat": issued, "exp": issued + 300,
	}, claims); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}

	// A new key signs at once, is shown before, and the old one still verifies.
	if _, err := keys.Generate(filepath.Join(m.State, "keys", "identity")); err != nil {
		t.Fatal(err)
	}
	m.Await("the new key signs", 10*time.Second, func() bool {
		session.Post(listTools)
		_, keyID := said(t, m, r.seen().Get("X-Mooring-Identity"))
		return keyID != first
	})
	if list := keySet(t, m); len(list.Keys) != 2 {
		t.Errorf("%d keys are shown", len(list.Keys))
	}
}

// TestIdentityKeysHaveOnePlace: the private half is in its folder, and the file
// that the control plane reads has none.
func TestIdentityKeysHaveOnePlace(t *testing.T) {
	m := harness.Start(t)
	if len(keySet(t, m).Keys) != 1 {
		t.Error("no key at the first start")
	}
	for _, dir := range []string{"keys", "keys/identity", "keys/session"} {
		info, err := os.Stat(filepath.Join(m.State, dir))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, error %v", dir, info.Mode(), err)
		}
	}
	// A private key that got there by mistake is shown to nobody.
	file := filepath.Join(m.State, "identity-jwks.json")
	if err := os.WriteFile(file, []byte(`{"keys":[{"kty":"EC","use":"sig","d":"private"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if answer := m.MustDo(http.StatusInternalServerError, http.MethodGet, "/.well-known/mooring-jwks.json", ""); strings.Contains(answer.Body, "private") {
		t.Errorf("shown: %s", answer.Body)
	}
	// A stdio server sees no headers.
	m.API(http.StatusBadRequest, http.MethodPost, "/adapters", `{"name":"x","imageName":"mcp-proxy","imageVersion":"1",
		"environmentVariables":{"MCP_COMMAND":"npx"},"upstreamAuth":{"mode":"identity"}}`)
}
