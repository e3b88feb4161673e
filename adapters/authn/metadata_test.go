package authn

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetadataHandler(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, `  requiredScopes: [mcp.use]
- url: https://ci.example
  audiences: [mooring]
  advertised: false
  requiredScopes: [ci]
`), nil)
	for path, want := range map[string]string{
		"/.well-known/oauth-protected-resource":                 `{"resource":"https://gateway.example","authorization_servers":["` + i.url() + `"],"scopes_supported":["mcp.use"],"bearer_methods_supported":["header"],"resource_name":"Mooring"}`,
		"/.well-known/oauth-protected-resource/adapters/a/mcp":  `{"resource":"https://gateway.example/adapters/a/mcp","authorization_servers":["` + i.url() + `"],"scopes_supported":["mcp.use"],"bearer_methods_supported":["header"],"resource_name":"Mooring: a"}`,
		"/.well-known/oauth-protected-resource/":                "",
		"/.well-known/oauth-protected-resource/adapters/A/mcp":  "",
		"/.well-known/oauth-protected-resource/adapters//mcp":   "",
		"/.well-known/oauth-protected-resource/adapters/a":      "",
		"/.well-known/oauth-protected-resource/adapters/a/mcp/": "",
		"/.well-known/other":                                    "",
	} {
		w := httptest.NewRecorder()
		g.MetadataHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if want == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: status %d", path, w.Code)
			}
			continue
		}
		if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); diff != "" || w.Code != 200 {
			t.Errorf("%s: status %d (-want +got):\n%s", path, w.Code, diff)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: header %v", path, w.Header())
		}
	}
	for method, want := range map[string]int{http.MethodOptions: 204, http.MethodHead: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		g.MetadataHandler().ServeHTTP(w, httptest.NewRequest(method, "/.well-known/oauth-protected-resource", nil))
		if w.Code != want || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: status %d, header %v", method, w.Code, w.Header())
		}
	}
}

func TestAddressWithAPath(t *testing.T) {
	a, err := ParseAddress("https://x.example:8443/mcp-gateway/")
	if err != nil {
		t.Fatal(err)
	}
	want := Resource{
		Adapter: "a", URI: "https://x.example:8443/mcp-gateway/adapters/a/mcp",
		Metadata: "https://x.example:8443/.well-known/oauth-protected-resource/mcp-gateway/adapters/a/mcp",
	}
	if diff := cmp.Diff(want, a.Resource("a")); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "x", "ftp://x", "https://", "https://u@x", "https://x?a", "https://x#a"} {
		if _, err := ParseAddress(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
