package authn

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzToken feeds the parser of tokens, and says that what it takes apart means
// one thing only.
func FuzzToken(f *testing.F) {
	for _, header := range []string{`{"alg":"RS256","kid":"a"}`, `{"alg":"none"}`, `{"alg":"RS256","alg":"none"}`, `{"crit":[]}`, `[]`, `null`} {
		for _, payload := range []string{`{"iss":"x","exp":1,"aud":["a"]}`, `{"exp":1e99}`, `{"a":{"b":["c"]}}`, ``} {
			f.Add("Bearer " + encoded(header) + "." + encoded(payload) + ".c2ln")
		}
	}
	f.Add("Bearer mk_a_b")
	f.Fuzz(func(t *testing.T, value string) {
		text, refusal := credential(http.Header{"Authorization": {value}})
		if refusal != nil {
			return
		}
		parsed, refusal := parseToken(text)
		if refusal != nil {
			if refusal.Challenge() == "" || len(text) > 20 && strings.Contains(refusal.Challenge(), text) {
				t.Errorf("challenge %s", refusal.Challenge())
			}
			return
		}
		if parsed.algorithm == "" || parsed.claims == nil || strings.Count(text, ".") != 2 {
			t.Errorf("%+v", parsed)
		}
		if times, refusal := parsed.claims.validity(); refusal == nil && times.check(time.Unix(1<<40, 0)) == nil {
			t.Errorf("a token that does not end: %v", times)
		}
		parsed.claims.scopes()
		(&issuer{subject: claimPath{"a", "b"}, roles: []claimPath{{"aud"}, {"a", "b"}}}).principal(parsed.claims)
	})
}

// FuzzConfig feeds the parser of auth.yaml.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("issuers:\n- url: https://a.example\n  audiences: [x]\n  requiredClaims: {a: [b]}\n  keyRefresh: 1m\napiKeys: true\n"))
	f.Add([]byte("issuers: [{url: 'https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0', audiences: [x], entra: true}]\ndiscovery: entra\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "caFile") {
			return
		}
		cfg, err := ParseConfig(text)
		if err != nil {
			return
		}
		for _, i := range cfg.Issuers {
			if _, err := newIssuer(i, nil); err != nil {
				t.Errorf("valid settings cannot be used: %v", err)
			}
		}
	})
}
