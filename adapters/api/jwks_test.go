package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/api"
)

const jwksPath = "/.well-known/mooring-jwks.json"

// TestIdentityKeysAreForAnybodyFromAnyPage: who verifies need not be known here.
func TestIdentityKeysAreForAnybodyFromAnyPage(t *testing.T) {
	text := `{"keys":[{"alg":"ES256","crv":"P-256","kid":"1","kty":"EC","use":"sig","x":"AA","y":"AA"}]}`
	f := newFixture(t, func(cfg *api.Config) { cfg.IdentityKeys = func() ([]byte, error) { return []byte(text), nil } })
	got := f.must(t, http.StatusOK, "", http.MethodGet, jwksPath, "", "Origin", "https://page.example", "Sec-Fetch-Site", "cross-site")
	if got.body != text || got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.header.Get("Cache-Control"), "max-age=") ||
		got.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("%v: %s", got.header, got.body)
	}
	got = f.must(t, http.StatusNoContent, "", http.MethodOptions, jwksPath, "", "Origin", "https://page.example")
	if !strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "GET") {
		t.Errorf("preflight: %v", got.header)
	}
	f.must(t, http.StatusMethodNotAllowed, "", http.MethodPost, jwksPath, "{}")
	f.must(t, http.StatusForbidden, "", http.MethodGet, jwksPath+"x", "", "Origin", "https://page.example")
	f.must(t, http.StatusMisdirectedRequest, "", http.MethodGet, jwksPath, "", "Host", "evil.example")
}

func TestIdentityKeysThatAreNotThere(t *testing.T) {
	newFixture(t).must(t, http.StatusNotFound, "", http.MethodGet, jwksPath, "")
	f := newFixture(t, func(cfg *api.Config) {
		cfg.IdentityKeys = func() ([]byte, error) { return nil, errors.New("the file /secret/place is broken") }
	})
	if got := f.must(t, http.StatusInternalServerError, "", http.MethodGet, jwksPath, ""); strings.Contains(got.body, "secret") {
		t.Errorf("the answer shows a path: %s", got.body)
	}
}
