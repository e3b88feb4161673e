package authn

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

func TestChallenges(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, "  requiredScopes: [mcp.use, mcp.more]\n"), nil)
	a := g.ForAdapter("a")
	const metadata = testPublic + "/.well-known/oauth-protected-resource"
	for name, c := range map[string]struct {
		authenticator Authenticator
		header        http.Header
		status        int
		want          map[string]string
	}{
		"nothing sent": {a, http.Header{}, 401, map[string]string{
			"resource_metadata": metadata + "/adapters/a/mcp", "scope": "mcp.use mcp.more"}},
		"nothing sent to the API": {g, http.Header{}, 401, map[string]string{
			"resource_metadata": metadata, "scope": "mcp.use mcp.more"}},
		"no token of ours": {a, bearer("x"), 401, map[string]string{
			"resource_metadata": metadata + "/adapters/a/mcp", "scope": "mcp.use mcp.more",
			"error": "invalid_token", "error_description": "The token is not a signed JWT."}},
		"sent twice": {a, http.Header{"Authorization": {"Bearer x", "Bearer y"}}, 401, map[string]string{
			"resource_metadata": metadata + "/adapters/a/mcp", "scope": "mcp.use mcp.more",
			"error": "invalid_request", "error_description": "Authorization is sent more than once."}},
		"a scope is lacking": {a, bearer(i.token(map[string]any{"scope": "openid mcp.use"})), 403, map[string]string{
			"resource_metadata": metadata + "/adapters/a/mcp", "scope": "mcp.use mcp.more",
			"error": "insufficient_scope", "error_description": "The token lacks a scope."}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.authenticator.Authenticate(t.Context(), c.header)
			refusal := AsRefusal(err)
			if refusal.Status() != c.status {
				t.Errorf("status %d, want %d", refusal.Status(), c.status)
			}
			parsed, err := oauthex.ParseWWWAuthenticate([]string{refusal.Challenge()})
			if err != nil || len(parsed) != 1 || !strings.EqualFold(parsed[0].Scheme, "Bearer") {
				t.Fatalf("challenge %q: %v, error %v", refusal.Challenge(), parsed, err)
			}
			if diff := cmp.Diff(c.want, parsed[0].Params); diff != "" {
				t.Errorf("challenge (-want +got):\n%s", diff)
			}
		})
	}
	if got := reason(t, a, i.token(map[string]any{"scp": []string{"mcp.more", "mcp.use"}})); got != "" {
		t.Errorf("all scopes are there: reason %q", got)
	}
	if r := g.InsufficientScope("a"); r.Status() != 403 || !strings.Contains(r.Challenge(), `scope="mcp.use mcp.more", error="insufficient_scope"`) {
		t.Errorf("challenge %s", r.Challenge())
	}
	if r := g.InsufficientScope("", "x"); !strings.Contains(r.Challenge(), `scope="x"`) {
		t.Errorf("challenge %s", r.Challenge())
	}
}

func TestOtherCredentialsAreRefused(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	for _, value := range []string{"Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "bearer\ta", "", "Bearer ü", "DPoP " + i.token(nil)} {
		_, err := g.Authenticate(t.Context(), http.Header{"Authorization": {value}})
		if r := AsRefusal(err); r.Reason != ReasonMalformed || r.Code != CodeInvalidRequest {
			t.Errorf("%q: %+v", value, r)
		}
	}
	// The scheme's case is free (RFC 9110).
	if _, err := g.Authenticate(t.Context(), http.Header{"Authorization": {"bEARER " + i.token(nil)}}); err != nil {
		t.Error(err)
	}
	// Development headers say nothing here.
	if _, err := g.Authenticate(t.Context(), http.Header{HeaderDevUser: {"root"}, HeaderDevRoles: {"mcp.admin"}}); AsRefusal(err).Reason != ReasonMissing {
		t.Errorf("development headers: %v", err)
	}
}

func TestChallengeTextCannotBreakOut(t *testing.T) {
	r := &Refusal{Scheme: schemeBearer, Code: CodeInvalidToken, Message: "a\"\\\r\nX: ü"}
	if got, want := r.Challenge(), `Bearer error="invalid_token", error_description="a\"\\??X: ?"`; got != want {
		t.Errorf("challenge %s, want %s", got, want)
	}
}
