package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// audience is what the gateway is called in tokens.
const audience = "mooring-e2e"

// issuer is a small OpenID provider. People log in at it by being asked.
type issuer struct {
	t   *testing.T
	url string
	key *ecdsa.PrivateKey

	mu sync.Mutex
	// exchanges counts the tokens that were exchanged.
	exchanges int
	// logins are the authorization requests by the code that they got.
	logins map[string]url.Values
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, logins: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.exchange)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		i.t.Errorf("the issuer cannot answer: %v", err)
	}
}

func (i *issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.answer(w, map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/keys",
		"authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
		"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
	})
}

// authorize lets Ann in at once.
func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code := rand.Text()
	i.mu.Lock()
	i.logins[code] = query
	i.mu.Unlock()
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {query.Get("state")}}.Encode(), http.StatusFound)
}

// exchange gives a token for the resource that both requests name.
func (i *issuer) exchange(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange" {
		i.exchangeToken(w, r)
		return
	}
	i.mu.Lock()
	login := i.logins[r.FormValue("code")]
	i.mu.Unlock()
	verifier := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if login == nil || login.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(verifier[:]) ||
		login.Get("resource") != r.FormValue("resource") {
		w.WriteHeader(http.StatusBadRequest)
		i.answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	i.answer(w, map[string]any{
		"access_token": i.token("ann", []string{"reader"}, map[string]any{"aud": r.FormValue("resource"), "scope": login.Get("scope")}),
		"token_type":   "Bearer", "expires_in": 3600,
	})
}

// token is a token for the gateway with changes to its claims: nil takes one
// away.
func (i *issuer) token(subject string, roles []string, changes map[string]any) string {
	now := time.Now()
	claims := map[string]any{
		"iss": i.url, "aud": audience, "sub": subject, "roles": roles, "scope": "mcp.use",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key},
		&jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": "1", "typ": "at+jwt"}})
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// bearer is the header with a token, for harness.Mooring.
func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// startWithIdentity starts Mooring with the issuer and API keys. Everybody may
// deploy the test server, and no other command.
func (i *issuer) startWithIdentity(t *testing.T, opts ...harness.Option) *harness.Mooring {
	t.Helper()
	return i.startWith(t, "", opts...)
}

// startWith is startWithIdentity with more settings of the issuer.
func (i *issuer) startWith(t *testing.T, more string, opts ...harness.Option) *harness.Mooring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.yaml")
	settings := fmt.Sprintf("apiKeys: true\nissuers:\n- url: %s\n  audiences: [%s]\n  requiredScopes: [mcp.use]\n", i.url, audience) + more
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(rules, []byte("commands: ["+harness.Program(t, "testserver")+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := harness.Start(t, append(opts, harness.Args("--auth", path, "--policy", rules))...)
	admin := i.admin(m)
	// Both judges have fetched the issuer's keys.
	m.Await("the issuer's keys are there", 10*time.Second, func() bool {
		answer, err := admin.Do(http.MethodGet, "/adapters", "")
		return err == nil && answer.Status == http.StatusOK
	})
	return m
}

func (i *issuer) admin(m *harness.Mooring) *harness.Mooring {
	return m.As(bearer(i.token("root", []string{"mcp.admin"}, nil))...)
}
