package authn

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const testTenant = "11111111-2222-3333-4444-555555555555"

// newEntra is a server that notes the token requests it gets, and a gate that
// leads clients to it.
func newEntra(t *testing.T, discovery string) (*testGate, *httptest.Server, *[]url.Values) {
	t.Helper()
	var got []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+testTenant+"/oauth2/v2.0/token" {
			http.NotFound(w, r)
			return
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			t.Error(err)
		}
		got = append(got, form)
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
	}))
	t.Cleanup(server.Close)
	g := newTestGate(t, "discovery: "+discovery+"\nissuers:\n- url: "+server.URL+"/"+testTenant+
		"/v2.0\n  entra: true\n  audiences: [aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee]\n  requiredScopes: [mcp.use]\n", nil)
	return g, server, &got
}

func serve(g *testGate, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return w
}

func TestEntraDiscovery(t *testing.T) {
	g, entra, got := newEntra(t, "entra")
	w := serve(g, httptest.NewRequest(http.MethodGet, metadataPath+"/adapters/a/mcp", nil))
	want := `{"resource":"https://gateway.example/adapters/a/mcp","authorization_servers":["https://gateway.example"],"scopes_supported":["api://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/mcp.use"],"bearer_methods_supported":["header"],"resource_name":"Mooring: a"}`
	if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}

	// The SDK's own client is content with the document.
	gateway := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := serve(g, r).Body.String()
		_, _ = io.WriteString(w, strings.ReplaceAll(answer, testPublic, "https://"+r.Host))
	}))
	defer gateway.Close()
	meta, err := oauthex.GetAuthServerMeta(t.Context(), gateway.URL+serverMetadataPath, gateway.URL, gateway.Client())
	if err != nil || meta.TokenEndpoint != gateway.URL+"/oauth2/token" || len(meta.CodeChallengeMethodsSupported) != 1 {
		t.Errorf("metadata %+v, error %v", meta, err)
	}

	w = serve(g, httptest.NewRequest(http.MethodGet, "/oauth2/authorize?client_id=c&resource=https%3A%2F%2Fx&resource=y&scope=api%3A%2F%2Fa%2Fb+openid&state=s%26t", nil))
	if w.Code != 302 || w.Header().Get("Location") != entra.URL+"/"+testTenant+"/oauth2/v2.0/authorize?client_id=c&scope=api%3A%2F%2Fa%2Fb+openid&state=s%26t" {
		t.Errorf("redirect %d %s", w.Code, w.Header().Get("Location"))
	}

	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=authorization_code&code=c&resource=https%3A%2F%2Fx"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = serve(g, r)
	if w.Code != 400 || w.Body.String() != `{"error":"invalid_grant"}` || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
	if diff := cmp.Diff([]url.Values{{"grant_type": {"authorization_code"}, "code": {"c"}}}, *got); diff != "" {
		t.Errorf("handed on (-want +got):\n%s", diff)
	}
	entra.Close()
	r = httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=refresh_token&refresh_token=secret"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w = serve(g, r); w.Code != 503 || g.log.contains("secret") {
		t.Errorf("answer %d %s while Entra is down", w.Code, w.Body)
	}
}

func TestTokenRequestsAreJudged(t *testing.T) {
	g, _, got := newEntra(t, "entra")
	for _, c := range []struct {
		method, kind, body string
		want               int
	}{
		{http.MethodGet, "", "", 405},
		{http.MethodOptions, "", "", 204},
		{http.MethodPost, "application/json", "{}", 400},
		{http.MethodPost, "", "grant_type=refresh_token", 400},
		{http.MethodPost, "application/x-www-form-urlencoded", "grant_type=client_credentials", 400},
		{http.MethodPost, "application/x-www-form-urlencoded", "grant_type=refresh_token&grant_type=password", 400},
		{http.MethodPost, "application/x-www-form-urlencoded", "grant_type=refresh_token;x=%zz", 400},
		{http.MethodPost, "application/x-www-form-urlencoded", "grant_type=refresh_token&x=" + strings.Repeat("x", maxForm), 400},
	} {
		r := httptest.NewRequest(c.method, "/oauth2/token", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		if w := serve(g, r); w.Code != c.want {
			t.Errorf("%s %s %.60s: %d, want %d", c.method, c.kind, c.body, w.Code, c.want)
		}
	}
	if len(*got) != 0 {
		t.Errorf("handed on: %v", *got)
	}
	if w := serve(g, httptest.NewRequest(http.MethodPost, "/oauth2/authorize", nil)); w.Code != 405 {
		t.Errorf("POST to authorize: %d", w.Code)
	}
}

func TestStandardDiscoveryHandsNothingOn(t *testing.T) {
	g, entra, _ := newEntra(t, "standard")
	for _, path := range []string{serverMetadataPath, "/oauth2/authorize", "/oauth2/token", "/"} {
		if w := serve(g, httptest.NewRequest(http.MethodGet, path, nil)); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := serve(g, httptest.NewRequest(http.MethodGet, metadataPath, nil))
	if !strings.Contains(w.Body.String(), `"authorization_servers":["`+entra.URL+"/"+testTenant+`/v2.0"]`) {
		t.Errorf("resource %s", w.Body)
	}
}
