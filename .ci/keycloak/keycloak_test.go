// Package keycloak logs in at a gateway with a real OpenID provider, as
// docs/how-to/keycloak.md says. Keycloak needs Java, so this is not asked of
// everybody who runs the other tests.
package keycloak

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestKeycloak goes the way of an operator: set up, log in, rotate keys, lose
// the provider. The order matters, since there is one Keycloak.
func TestKeycloak(t *testing.T) {
	s := start(t)
	s.configure()
	m := gateway(t, s)
	script := m.As("Authorization", "Bearer "+s.script("mcp.use"))
	script.Await("the realm's keys are there", 10*time.Second, func() bool {
		answer, err := script.Do(http.MethodGet, "/adapters", "")
		return err == nil && answer.Status == http.StatusOK
	})

	t.Run("a script deploys and calls", func(t *testing.T) {
		spec := m.TestServer("a", 1)
		spec.RequiredRoles = []string{"reader"}
		script.Deploy(spec)
		if script.Initialize("a").MustCall("who") == "" {
			t.Error("no answer")
		}
	})
	t.Run("a token without the scope is for somebody else", func(t *testing.T) {
		m.MustDo(http.StatusUnauthorized, http.MethodGet, "/adapters", "", "Authorization", "Bearer "+s.script("openid"))
	})
	t.Run("Ann logs in with a browser", func(t *testing.T) { annLogsIn(t, m) })
	t.Run("keys are rotated", func(t *testing.T) { rotation(t, s, m) })
	t.Run("Keycloak is gone", func(t *testing.T) { outage(t, s, m) })
}

// gateway starts Mooring with the realm as its only issuer.
func gateway(t *testing.T, s *server) *harness.Mooring {
	t.Helper()
	dir := t.TempDir()
	settings := fmt.Sprintf(`issuers:
- url: %s
  audiences: [mooring]
  roleClaims: [realm_access.roles]
  requiredScopes: [mcp.use]
  keyRefresh: 10s
`, s.issuer())
	rules := "commands: [" + harness.Program(t, "testserver") + "]\n"
	for name, text := range map[string]string{"auth.yaml": settings, "policy.yaml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return harness.Start(t, harness.Args("--auth", filepath.Join(dir, "auth.yaml"), "--policy", filepath.Join(dir, "policy.yaml")))
}

// script is a token of the script's own.
func (s *server) script(scope string) string {
	s.t.Helper()
	return s.token(realm, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {secret}, "scope": {scope},
	})
}

// annLogsIn: a client that knows the adapter's URL and its own id finds
// Keycloak, has Ann log in with PKCE, and works within her roles.
func annLogsIn(t *testing.T, m *harness.Mooring) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: "laptop"},
		RedirectURL:         "http://127.0.0.1/callback",
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return logIn(ctx, args.URL)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "laptop", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: m.URL("/adapters/a/mcp"), OAuthHandler: handler, MaxRetries: -1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if answer, err := harness.Call(ctx, session, "echo", map[string]string{"text": "hello"}); err != nil || answer != "hello" {
		t.Errorf("answer %q, error %v", answer, err)
	}
}

// loginForm is where Keycloak's page sends the name and the password.
var loginForm = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

// logIn does what Ann's browser does, up to the redirect to the client.
func logIn(ctx context.Context, page string) (*auth.AuthorizationResult, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, err
	}
	res, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	form := loginForm.FindSubmatch(text)
	if form == nil {
		return nil, fmt.Errorf("no form in the page: status %d: %s", res.StatusCode, text)
	}
	body := url.Values{"username": {"ann"}, "password": {password}}.Encode()
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, html.UnescapeString(string(form[1])), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sent, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer sent.Body.Close()
	back, err := sent.Location()
	if err != nil {
		return nil, err
	}
	if code := back.Query().Get("code"); code != "" {
		return &auth.AuthorizationResult{Code: code, State: back.Query().Get("state"), Iss: back.Query().Get("iss")}, nil
	}
	return nil, errors.New("no code in the redirect")
}

// rotation: tokens of a new key work at once, beside those of the old one, and
// those of a key that was taken away stop working.
func rotation(t *testing.T, s *server, m *harness.Mooring) {
	old := m.As("Authorization", "Bearer "+s.script("mcp.use"))
	old.MustDo(http.StatusOK, http.MethodGet, "/adapters", "")
	session := old.Initialize("a")
	removeOld := s.rotate()
	next := m.As("Authorization", "Bearer "+s.script("mcp.use"))
	next.MustDo(http.StatusOK, http.MethodGet, "/adapters", "")
	next.Initialize("a").MustCall("who")
	old.MustDo(http.StatusOK, http.MethodGet, "/adapters", "")
	removeOld()
	m.Await("the old key's tokens are refused everywhere", 30*time.Second, func() bool {
		answer, err := old.Do(http.MethodGet, "/adapters", "")
		return err == nil && answer.Status == http.StatusUnauthorized && session.Post(ping).Status == http.StatusUnauthorized
	})
	next.MustDo(http.StatusOK, http.MethodGet, "/adapters", "")
}

const ping = `{"jsonrpc":"2.0","id":7,"method":"ping"}`

// outage: with Keycloak away its known keys go on to be believed, and a gateway
// that has none says that it cannot tell.
func outage(t *testing.T, s *server, m *harness.Mooring) {
	token := "Bearer " + s.script("mcp.use")
	session := m.As("Authorization", token).Initialize("a")
	s.stop()
	session.MustCall("who")
	m.MustDo(http.StatusOK, http.MethodGet, "/adapters", "", "Authorization", token)
	m.MustDo(http.StatusUnauthorized, http.MethodGet, "/adapters", "", "Authorization", token+"x")

	second := gateway(t, s)
	answer := second.MustDo(http.StatusServiceUnavailable, http.MethodGet, "/adapters", "", "Authorization", token)
	if answer.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	second.MustDo(http.StatusUnauthorized, http.MethodGet, "/adapters", "")
}
