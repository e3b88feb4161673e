package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// exchangeToken gives the gateway's client a token for a server (RFC 8693), but
// none for the audience forbidden.
func (i *issuer) exchangeToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	refuse := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		i.answer(w, map[string]string{"error": code})
	}
	switch {
	case id != "gateway" || secret != "client-secret":
		refuse("invalid_client")
		return
	case r.FormValue("audience") == "forbidden":
		refuse("invalid_target")
		return
	case r.FormValue("subject_token") == "" || r.FormValue("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token":
		refuse("invalid_request")
		return
	}
	i.mu.Lock()
	i.exchanges++
	n := i.exchanges
	i.mu.Unlock()
	i.answer(w, map[string]any{
		"access_token": fmt.Sprintf("exchanged-%d-%s-%s", n, r.FormValue("audience"), strings.ReplaceAll(r.FormValue("scope"), " ", "-")),
		"token_type":   "Bearer", "expires_in": 300, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
	})
}

// startWithExchange is startWithIdentity at an issuer that exchanges tokens.
func (i *issuer) startWithExchange(t *testing.T) *harness.Mooring {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("client-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return i.startWith(t, "  tokenExchange: {clientID: gateway, clientSecretFile: "+secret+"}\n")
}

// TestExchangedTokenReachesTheServer: the server gets a token that is meant for
// it, once for many requests, and never the client's.
func TestExchangedTokenReachesTheServer(t *testing.T) {
	i, r := newIssuer(t), startRemote(t)
	m := i.startWithExchange(t)
	admin := i.admin(m)
	admin.Deploy(toRemote(r, "far", &adapters.UpstreamAuth{Mode: adapters.UpstreamExchange, Audience: "server", Scopes: []string{"a", "b"}}))
	admin.Deploy(toRemote(r, "closed", &adapters.UpstreamAuth{Mode: adapters.UpstreamExchange, Audience: "forbidden"}))
	token := i.token("ann", []string{"reader"}, nil)
	ann := m.As(bearer(token)...)
	session := ann.Initialize("far")
	session.Post(listTools, "X-Mooring-Authorization", "Bearer forged")
	got := r.seen()
	if values := got.Values("Authorization"); len(values) != 1 || values[0] != "Bearer exchanged-1-server-a-b" {
		t.Errorf("the server got %q", values)
	}
	for name := range got {
		if strings.HasPrefix(name, "X-Mooring-") {
			t.Errorf("the server got %s", name)
		}
	}
	i.mu.Lock()
	if i.exchanges != 1 {
		t.Errorf("%d exchanges for one session", i.exchanges)
	}
	i.mu.Unlock()
	if answer := ann.TryInitialize("closed"); answer.Status != http.StatusForbidden || !strings.Contains(answer.Body, "invalid_target") {
		t.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	// An API key is no token of the issuer.
	key := admin.API(http.StatusCreated, http.MethodPost, "/apikeys", `{"name":"ci","roles":["reader"]}`).Body
	_, rest, _ := strings.Cut(key, `"mk_`)
	secret, _, _ := strings.Cut(rest, `"`)
	if answer := m.As(bearer("mk_" + secret)...).TryInitialize("far"); answer.Status != http.StatusForbidden {
		t.Errorf("an API key: status %d: %s", answer.Status, answer.Body)
	}
	r.mu.Lock()
	for _, headers := range r.headers {
		if strings.Contains(fmt.Sprint(headers), token) {
			t.Error("the server got the client's token")
		}
	}
	r.mu.Unlock()
	noTokens(t, m.State, token, "exchanged-1", "client-secret")
}

// noTokens looks for tokens in the files below dir.
func noTokens(t *testing.T, dir string, tokens ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, token := range tokens {
			if strings.Contains(string(text), token) {
				t.Errorf("a token is in %s", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestExchangeNeedsAnIssuer: what could never work is refused when it is asked
// for.
func TestExchangeNeedsAnIssuer(t *testing.T) {
	r := startRemote(t)
	m := harness.Start(t)
	answer := m.API(http.StatusBadRequest, http.MethodPost, "/adapters",
		harness.JSON(m, toRemote(r, "far", &adapters.UpstreamAuth{Mode: adapters.UpstreamExchange, Audience: "server"})))
	if !strings.Contains(answer.Body, "#/upstreamAuth/mode") {
		t.Error(answer.Body)
	}
}
