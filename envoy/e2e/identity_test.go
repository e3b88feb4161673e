package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// deployed is a started gateway with the adapters a and b, which readers may
// use. Sessions of b need not be inspected.
func deployed(t *testing.T, i *issuer) *harness.Mooring {
	t.Helper()
	m := i.startWithIdentity(t)
	for _, name := range []string{"a", "b"} {
		spec := m.TestServer(name, 1)
		spec.RequiredRoles = []string{"reader"}
		if name == "b" {
			spec.Inspection = adapters.InspectionSession
		}
		i.admin(m).Deploy(spec)
	}
	return m
}

// TestNobodyGetsPastTheDoor: without credentials everything answers 401, and
// tells a client of MCP where to log in, whether or not the adapter exists. The
// headers of development mode count for nothing.
func TestNobodyGetsPastTheDoor(t *testing.T) {
	m := deployed(t, newIssuer(t))
	metadata := m.URL("/.well-known/oauth-protected-resource")
	for path, of := range map[string]string{
		"/adapters": "", "/adapters/a": "", "/adapters/none": "", "/adapters/none/logs": "", "/apikeys": "", "/apikeys/x": "",
		"/adapters/a/mcp": "/adapters/a/mcp", "/adapters/none/mcp": "/adapters/none/mcp",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			for _, headers := range [][]string{nil, {"X-Dev-UserId", "root", "X-Dev-Roles", "mcp.admin"}, bearer("x.y.z"), {"Authorization", "Basic YTpi"}} {
				answer := m.MustDo(http.StatusUnauthorized, method, path, `{"jsonrpc":"2.0","id":1,"method":"ping"}`,
					append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}, headers...)...)
				challenge := answer.Header.Get("WWW-Authenticate")
				if want := `Bearer resource_metadata="` + metadata + of + `", scope="mcp.use"`; !strings.HasPrefix(challenge, want) {
					t.Errorf("%s %s: challenge %s, want %s", method, path, challenge, want)
				}
			}
		}
	}
	for _, path := range []string{"/healthz", "/openapi.json", "/.well-known/oauth-protected-resource"} {
		m.MustDo(http.StatusOK, http.MethodGet, path, "")
	}
}

// TestDiscoveryFromAnyPage: clients run in browsers too.
func TestDiscoveryFromAnyPage(t *testing.T) {
	i := newIssuer(t)
	m := i.startWithIdentity(t)
	for _, path := range []string{"", "/adapters/a/mcp"} {
		answer := m.MustDo(http.StatusOK, http.MethodGet, "/.well-known/oauth-protected-resource"+path, "", "Origin", "https://client.example")
		if answer.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: no page may read it: %v", path, answer.Header)
		}
		var document struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
		}
		if err := json.Unmarshal([]byte(answer.Body), &document); err != nil {
			t.Fatal(err)
		}
		if document.Resource != m.URL(path) || len(document.Servers) != 1 || document.Servers[0] != i.url {
			t.Errorf("%s: %s", path, answer.Body)
		}
	}
	m.MustDo(http.StatusForbidden, http.MethodGet, "/adapters", "", "Origin", "https://client.example")
}

// TestLoginOfAnSDKClient: a client that knows nothing but the adapter's URL and
// its own id finds the issuer, logs in with PKCE and works.
func TestLoginOfAnSDKClient(t *testing.T) {
	m := deployed(t, newIssuer(t))
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: "e2e"},
		RedirectURL:         "http://127.0.0.1/callback",
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return browse(ctx, args.URL)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := limited(t, 30*time.Second)
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
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

// browse does what a browser would, up to the redirect to the client.
func browse(ctx context.Context, page string) (*auth.AuthorizationResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		return nil, err
	}
	if code := back.Query().Get("code"); code != "" {
		return &auth.AuthorizationResult{Code: code, State: back.Query().Get("state")}, nil
	}
	return nil, errors.New("no code")
}

// TestCredentialsOfASession goes through what can become of a client's token
// while its session lives.
func TestCredentialsOfASession(t *testing.T) {
	i := newIssuer(t)
	m := deployed(t, i)
	reader := []string{"reader"}
	ann := m.As(bearer(i.token("ann", reader, nil))...)
	session := ann.Initialize("a")
	if session.MustCall("who") == "" {
		t.Error("no answer")
	}
	expired := time.Now().Add(-5 * time.Minute).Unix()
	for name, tt := range map[string]struct {
		token string
		at    string
		want  int
	}{
		"a new token of the same user":       {i.token("ann", reader, map[string]any{"jti": "2"}), "a", 200},
		"a token for this adapter alone":     {i.token("ann", reader, map[string]any{"aud": m.URL("/adapters/a/mcp")}), "a", 200},
		"a token for another adapter":        {i.token("ann", reader, map[string]any{"aud": m.URL("/adapters/b/mcp")}), "a", 401},
		"an expired token":                   {i.token("ann", reader, map[string]any{"exp": expired}), "a", 401},
		"a token without an end":             {i.token("ann", reader, map[string]any{"exp": nil}), "a", 401},
		"a token for somebody else":          {i.token("ann", reader, map[string]any{"aud": "other"}), "a", 401},
		"a token of another issuer":          {newIssuer(t).token("ann", reader, nil), "a", 401},
		"a token whose issuer is made up":    {newIssuer(t).token("ann", reader, map[string]any{"iss": i.url}), "a", 401},
		"a token without the scope":          {i.token("ann", reader, map[string]any{"scope": "other"}), "a", 403},
		"the user has lost the role":         {i.token("ann", nil, nil), "a", 403},
		"the role in another case":           {i.token("ann", []string{"Reader"}, nil), "a", 403},
		"another reader with this session":   {i.token("bob", reader, nil), "a", 404},
		"an administrator with this session": {i.token("root", []string{"mcp.admin"}, nil), "a", 404},
		"this session at another adapter":    {i.token("ann", reader, nil), "b", 404},
	} {
		answer := session.At(tt.at).Post(listTools, bearer(tt.token)...)
		if answer.Status != tt.want {
			t.Errorf("%s: status %d, want %d: %s", name, answer.Status, tt.want, answer.Body)
		}
		challenge := answer.Header.Get("WWW-Authenticate")
		if tt.want == 401 && !strings.Contains(challenge, "resource_metadata=") {
			t.Errorf("%s: no challenge: %s", name, challenge)
		}
		if name == "a token without the scope" && (!strings.Contains(challenge, "insufficient_scope") || !strings.Contains(challenge, `scope="mcp.use"`)) {
			t.Errorf("%s: challenge %s", name, challenge)
		}
		if strings.Contains(answer.Body, tt.token) {
			t.Errorf("%s: the answer repeats the token", name)
		}
	}
	if answer := session.Post(listTools); answer.Status != http.StatusOK {
		t.Errorf("the session after all that: status %d: %s", answer.Status, answer.Body)
	}
	// A token for one adapter is worth nothing at the API.
	m.MustDo(http.StatusUnauthorized, http.MethodGet, "/adapters", "", bearer(i.token("root", []string{"mcp.admin"}, map[string]any{"aud": m.URL("/adapters/a/mcp")}))...)
	metrics, err := m.Metrics("extproc")
	if err != nil || !strings.Contains(metrics, `mooring_auth_failures_total{reason="expired"}`) {
		t.Errorf("metrics do not tell of expired tokens: %v", err)
	}
}

// TestRevokedAPIKeyWorksNowhere: a key works at the API and at adapters until it
// is revoked, and within two seconds nowhere.
func TestRevokedAPIKeyWorksNowhere(t *testing.T) {
	i := newIssuer(t)
	m := deployed(t, i)
	admin := i.admin(m)
	made := admin.API(http.StatusCreated, http.MethodPost, "/apikeys", `{"name":"ci","roles":["reader"]}`)
	var key struct{ ID, Key string }
	if err := json.Unmarshal([]byte(made.Body), &key); err != nil {
		t.Fatal(err)
	}
	// What a client says of its address is not believed.
	script := m.As(append(bearer(key.Key), "X-Forwarded-For", "198.51.100.1")...)
	script.MustDo(http.StatusOK, http.MethodGet, "/adapters/a", "")
	script.MustDo(http.StatusForbidden, http.MethodDelete, "/adapters/a", "")
	script.MustDo(http.StatusForbidden, http.MethodGet, "/apikeys", "")
	session := script.Initialize("a")
	session.MustCall("who")

	admin.MustDo(http.StatusNoContent, http.MethodDelete, "/apikeys/"+url.PathEscape(key.ID), "")
	m.Await("the key works nowhere", 2*time.Second, func() bool {
		answer, err := script.Do(http.MethodGet, "/adapters/a", "")
		return err == nil && answer.Status == http.StatusUnauthorized && session.Post(listTools).Status == http.StatusUnauthorized &&
			script.TryInitialize("b").Status == http.StatusUnauthorized
	})
	checkAudit(t, m, key.ID, key.Key)
}

// checkAudit: the stream tells of the key, and does not have it.
func checkAudit(t *testing.T, m *harness.Mooring, id, key string) {
	t.Helper()
	path := filepath.Join(m.State, "audit.jsonl")
	if result, err := audit.Verify(path); err != nil || !result.Complete {
		t.Errorf("%+v, error %v", result, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]bool{
		`"created":"/apikeys/` + id + `"`: true, `"path":"/apikeys/` + id + `"`: true, `"principal":"mooring:apikey|` + id + `"`: true,
		`"source":"`: true, `"source":"198.51.100.1"`: false, key: false,
	} {
		if strings.Contains(string(text), what) != want {
			t.Errorf("%s is in the audit: %v\n%s", what, !want, text)
		}
	}
}
