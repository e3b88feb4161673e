package authn

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	cfg, err := ParseConfig([]byte(`
# where people are
issuers:
  - url: https://keycloak.example/realms/acme
    audiences: [mooring]
    adapterAudience: required
    algorithms: [RS256, ES256]
    roleClaims: [realm_access.roles]
    requiredScopes: [mcp.use]
    keyRefresh: 90s
  - url: https://token.ci.example
    audiences: [mooring]
    advertised: false
    roles: [ci]
    requiredClaims:
      repository: [acme/app]
apiKeys: true
`))
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := &Config{APIKeys: true, Issuers: []Issuer{
		{
			URL: "https://keycloak.example/realms/acme", Audiences: []string{"mooring"}, AdapterAudience: AdapterAudienceRequired,
			Algorithms: []string{"RS256", "ES256"}, RoleClaims: []string{"realm_access.roles"},
			RequiredScopes: []string{"mcp.use"}, KeyRefresh: 90 * time.Second,
		},
		{
			URL: "https://token.ci.example", Audiences: []string{"mooring"}, Advertised: &no, Roles: []string{"ci"},
			RequiredClaims: map[string][]string{"repository": {"acme/app"}},
		},
	}}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestParseConfigNamesEveryFault(t *testing.T) {
	_, err := ParseConfig([]byte(`
issuers:
  - url: http://idp.example
    audience: mooring
    adapterAudience: maybe
    algorithms: [HS256, none]
    subjectClaim: a..b
    roleClaims: ["https://x.example/roles"]
    requiredClaims: {owner: []}
    requiredScopes: ["a b", offline_access]
    keyRefresh: 1s
    caFile: /nowhere.pem
  - url: https://login.microsoftonline.com/common/v2.0
    audiences: [a, a]
    entra: true
  - url: https://idp.example?x=1
    audiences: [""]
discovery: entra
apikeys: true
`))
	if err == nil {
		t.Fatal("no fault is found")
	}
	for _, want := range []string{
		"field audience not found", "field apikeys not found",
		"issuers[0].url: it must begin with https://", "issuers[0].audiences: there must be one",
		"issuers[0].adapterAudience:", `issuers[0].algorithms[0]: "HS256"`, `issuers[0].algorithms[1]: "none"`,
		"issuers[0].subjectClaim:", "issuers[0].roleClaims[0]: it holds a colon", "issuers[0].requiredClaims.owner: there must be one",
		"issuers[0].requiredScopes[0]:", "issuers[0].requiredScopes[1]: whether to stay", "issuers[0].keyRefresh:", "issuers[0].caFile:",
		"issuers[1].url: for Entra", "issuers[1].audiences[1]: it repeats", "issuers[2].url: it must have no query", "issuers[2].audiences[0]:",
		"discovery: entra needs",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault says %q in:\n%v", want, err)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         "",
		"nobody":        "issuers: []",
		"two documents": "apiKeys: true\n---\napiKeys: true\n",
		"twice":         "apiKeys: true\napiKeys: false\n",
		"wrong case":    "ApiKeys: true\n",
		"not YAML":      "\t",
		"not a map":     "- apiKeys",
		"no kind":       "apiKeys: yes please\n",
		"same issuer":   "issuers: [{url: https://a, audiences: [x]}, {url: https://a, audiences: [y]}]",
		"same in v1":    "issuers: [{url: 'https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0', audiences: [x], entra: true}, {url: 'https://sts.windows.net/11111111-1111-1111-1111-111111111111/', audiences: [y]}]",
		"discovery":     "apiKeys: true\ndiscovery: magic\n",
		"bomb":          "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nissuers: *c\n",
	} {
		if _, err := ParseConfig([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEntra(t *testing.T) {
	const tenant, app = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	i := Issuer{
		URL: "https://login.microsoftonline.com/" + tenant + "/v2.0", Entra: true,
		Audiences: []string{app, "https://mcp.example"}, RequiredScopes: []string{"mcp.use"},
	}
	for what, c := range map[string]struct{ got, want any }{
		"issuers":      {i.accepted(), []string{i.URL, "https://sts.windows.net/" + tenant + "/"}},
		"audiences":    {i.acceptedAudiences(), []string{app, "https://mcp.example", "api://" + app}},
		"scopes":       {i.advertisedScopes(), []string{"api://" + app + "/mcp.use"}},
		"no scopes":    {Issuer{Entra: true, Audiences: []string{app}}.advertisedScopes(), []string{"api://" + app + "/.default"}},
		"subject":      {i.subjectPath(), "oid"},
		"user token":   {i.scopesOf(claims{"scp": "mcp.use other", "roles": []any{"x"}}), []string{"mcp.use", "other"}},
		"app token":    {i.scopesOf(claims{"roles": []any{"mcp.use"}}), []string{"mcp.use"}},
		"not of Entra": {Issuer{}.scopesOf(claims{"roles": []any{"mcp.use"}}), []string(nil)},
		"china":        {Issuer{URL: "https://login.partner.microsoftonline.cn/" + tenant + "/v2.0", Entra: true}.accepted()[1], "https://sts.chinacloudapi.cn/" + tenant + "/"},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, bad := range []string{"https://login.microsoftonline.com/organizations/v2.0", "https://login.microsoftonline.com/" + tenant, "https://login.microsoftonline.com/acme.onmicrosoft.com/v2.0", "https://sts.windows.net/" + tenant + "/"} {
		if _, err := entraTenant(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
