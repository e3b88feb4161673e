package authn

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

const goodHeader = `{"alg":"RS256","kid":"rsa"}`

// hs256 signs by a shared secret.
func hs256(header, payload string, secret []byte) string {
	input := encoded(header) + "." + encoded(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hostile is a token that is refused, and why.
type hostile struct {
	token string
	want  Reason
}

// hostileHeaders lie about how the token is signed.
func hostileHeaders(t *testing.T, i *testIssuer) map[string]hostile {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good, foreign := i.claims(nil), newRSA(2048)
	parts := strings.Split(i.token(nil), ".")
	return map[string]hostile{
		"alg none":                  {encoded(`{"alg":"none"}`) + "." + encoded(good) + ".", ReasonMalformed},
		"alg none with a signature": {encoded(`{"alg":"none"}`) + "." + encoded(good) + "." + parts[2], ReasonAlgorithm},
		"alg None":                  {rawToken(`{"alg":"None","kid":"rsa"}`, good, rsaKey()), ReasonAlgorithm},
		"alg missing":               {rawToken(`{"kid":"rsa"}`, good, rsaKey()), ReasonMalformed},
		"alg a number":              {rawToken(`{"alg":256,"kid":"rsa"}`, good, rsaKey()), ReasonMalformed},
		"alg twice":                 {rawToken(`{"alg":"none","alg":"RS256","kid":"rsa"}`, good, rsaKey()), ReasonMalformed},
		"HS256 by the public key":   {hs256(`{"alg":"HS256","kid":"rsa"}`, good, public), ReasonAlgorithm},
		"HS256 by its DER":          {hs256(`{"alg":"HS256","kid":"rsa"}`, good, der), ReasonAlgorithm},
		"says ES256, is RS256":      {rawToken(`{"alg":"ES256","kid":"rsa"}`, good, rsaKey()), ReasonKey},
		"says PS256, is RS256":      {rawToken(`{"alg":"PS256","kid":"rsa"}`, good, rsaKey()), ReasonSignature},
		"says RS512, is RS256":      {rawToken(`{"alg":"RS512","kid":"rsa"}`, good, rsaKey()), ReasonSignature},
		"another's key":             {rawToken(goodHeader, good, foreign), ReasonSignature},
		"another's key, no kid":     {rawToken(`{"alg":"RS256"}`, good, foreign), ReasonSignature},
		"kid unknown":               {rawToken(`{"alg":"RS256","kid":"other"}`, good, rsaKey()), ReasonKey},
		"kid a path":                {rawToken(`{"alg":"RS256","kid":"../../etc/passwd"}`, good, rsaKey()), ReasonKey},
		"kid empty":                 {rawToken(`{"alg":"RS256","kid":""}`, good, rsaKey()), ReasonMalformed},
		"kid a list":                {rawToken(`{"alg":"RS256","kid":["rsa"]}`, good, rsaKey()), ReasonMalformed},
		"kid too long":              {rawToken(`{"alg":"RS256","kid":"`+strings.Repeat("k", 513)+`"}`, good, rsaKey()), ReasonMalformed},
		"crit":                      {rawToken(`{"alg":"RS256","kid":"rsa","crit":["exp"]}`, good, rsaKey()), ReasonMalformed},
		"crit b64":                  {rawToken(`{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}`, good, rsaKey()), ReasonMalformed},
		"zip":                       {rawToken(`{"alg":"RS256","kid":"rsa","zip":"DEF"}`, good, rsaKey()), ReasonMalformed},
		"a DPoP proof":              {rawToken(`{"alg":"RS256","kid":"rsa","typ":"dpop+jwt"}`, good, rsaKey()), ReasonMalformed},
		"a logout token":            {rawToken(`{"alg":"RS256","kid":"rsa","typ":"logout+jwt"}`, good, rsaKey()), ReasonMalformed},
	}
}

// hostileClaims are signed by the issuer's own key, and no good all the same.
func hostileClaims(i *testIssuer) map[string]hostile {
	good, now := i.claims(nil), time.Now()
	return map[string]hostile{
		"no audience":                {i.token(map[string]any{"aud": nil}), ReasonAudience},
		"audience empty":             {i.token(map[string]any{"aud": []string{}}), ReasonAudience},
		"audience another":           {i.token(map[string]any{"aud": "mooring2"}), ReasonAudience},
		"audience another adapter's": {i.token(map[string]any{"aud": testPublic + "/adapters/other/mcp"}), ReasonAudience},
		"audience in other case":     {i.token(map[string]any{"aud": "Mooring"}), ReasonAudience},
		"audience an object":         {i.token(map[string]any{"aud": map[string]any{"mooring": true}}), ReasonClaims},
		"audience with a number":     {i.token(map[string]any{"aud": []any{"mooring", 1}}), ReasonClaims},
		"issuer missing":             {i.token(map[string]any{"iss": nil}), ReasonIssuer},
		"issuer another":             {i.token(map[string]any{"iss": "https://evil.example"}), ReasonIssuer},
		"issuer with a slash":        {i.token(map[string]any{"iss": i.url() + "/"}), ReasonIssuer},
		"issuer a list":              {i.token(map[string]any{"iss": []string{i.url()}}), ReasonIssuer},
		"expired":                    {i.token(map[string]any{"exp": now.Add(-61 * time.Second).Unix()}), ReasonExpired},
		"exp missing":                {i.token(map[string]any{"exp": nil}), ReasonClaims},
		"exp a text":                 {i.token(map[string]any{"exp": "9999999999"}), ReasonClaims},
		"exp huge":                   {i.token(map[string]any{"exp": 1e300}), ReasonClaims},
		"exp negative":               {i.token(map[string]any{"exp": -1}), ReasonClaims},
		"exp in other case":          {rawToken(goodHeader, strings.Replace(good, `"exp"`, `"EXP"`, 1), rsaKey()), ReasonClaims},
		"nbf in the future":          {i.token(map[string]any{"nbf": now.Add(90 * time.Second).Unix()}), ReasonNotYetValid},
		"nbf a text":                 {i.token(map[string]any{"nbf": "soon"}), ReasonClaims},
		"iat in the future":          {i.token(map[string]any{"iat": now.Add(90 * time.Second).Unix()}), ReasonNotYetValid},
		"iat a list":                 {i.token(map[string]any{"iat": []int{1}}), ReasonClaims},
		"sub missing":                {i.token(map[string]any{"sub": nil}), ReasonClaims},
		"sub empty":                  {i.token(map[string]any{"sub": ""}), ReasonClaims},
		"sub a number":               {i.token(map[string]any{"sub": 7}), ReasonClaims},
		"sub with a line break":      {i.token(map[string]any{"sub": "ann\nbob"}), ReasonClaims},
		"sub with a separator":       {i.token(map[string]any{"sub": "ann\x1fbob"}), ReasonClaims},
		"sub with a C1 control":      {i.token(map[string]any{"sub": "ann\u009fbob"}), ReasonClaims},
		"issuer with a separator":    {i.token(map[string]any{"iss": i.url() + "\x1f"}), ReasonIssuer},
		"sub too long":               {i.token(map[string]any{"sub": strings.Repeat("a", 513)}), ReasonClaims},
		"roles an object":            {i.token(map[string]any{"roles": map[string]any{"mcp.admin": true}}), ReasonClaims},
		"roles with a number":        {i.token(map[string]any{"roles": []any{"a", 1}}), ReasonClaims},
	}
}

// hostileForms can be read in more than one way, or in none.
func hostileForms(i *testIssuer) map[string]hostile {
	good, valid := i.claims(nil), i.token(nil)
	parts := strings.Split(valid, ".")
	return map[string]hostile{
		"sub twice":               {rawToken(goodHeader, strings.Replace(good, `{`, `{"sub":"root",`, 1), rsaKey()), ReasonMalformed},
		"aud twice, escaped":      {rawToken(goodHeader, strings.Replace(good, `{`, `{"\u0061ud":"x",`, 1), rsaKey()), ReasonMalformed},
		"twice within":            {rawToken(goodHeader, strings.Replace(good, `{`, `{"x":{"a":1,"a":2},`, 1), rsaKey()), ReasonMalformed},
		"invalid UTF-8":           {rawToken(goodHeader, strings.Replace(good, `{`, "{\"x\":\"\xff\",", 1), rsaKey()), ReasonMalformed},
		"trailing data":           {rawToken(goodHeader, good+"{}", rsaKey()), ReasonMalformed},
		"payload a list":          {rawToken(goodHeader, "["+good+"]", rsaKey()), ReasonMalformed},
		"payload null":            {rawToken(goodHeader, "null", rsaKey()), ReasonMalformed},
		"payload empty":           {rawToken(goodHeader, "", rsaKey()), ReasonMalformed},
		"payload deep":            {rawToken(goodHeader, `{"x":`+strings.Repeat("[", 11000), rsaKey()), ReasonMalformed},
		"too large":               {i.token(map[string]any{"x": strings.Repeat("x", maxToken)}), ReasonTooLarge},
		"two parts":               {parts[0] + "." + parts[1], ReasonMalformed},
		"four parts":              {valid + ".x", ReasonMalformed},
		"five parts, as if a JWE": {valid + ".x.y", ReasonMalformed},
		"no signature":            {parts[0] + "." + parts[1] + ".", ReasonMalformed},
		"signature cut":           {valid[:len(valid)-10], ReasonSignature},
		"payload of another":      {parts[0] + "." + encoded(strings.Replace(good, "ann", "bob", 1)) + "." + parts[2], ReasonSignature},
		"padded base64":           {parts[0] + "=." + parts[1] + "." + parts[2], ReasonMalformed},
		"text":                    {"password", ReasonMalformed},
		"an API key":              {"mk_aaaaaaaaaaaaaaaa_bbbb", ReasonAPIKey},
	}
}

func TestTokensOfAHostileIssuerAreRefused(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	for _, table := range []map[string]hostile{hostileHeaders(t, i), hostileClaims(i), hostileForms(i)} {
		for name, c := range table {
			t.Run(name, func(t *testing.T) {
				if got := reason(t, g.ForAdapter("a"), c.token); got != c.want {
					t.Errorf("reason %q, want %q", got, c.want)
				}
				if g.log.contains(c.token) {
					t.Error("the token was logged")
				}
			})
		}
	}
	if got := reason(t, g, i.token(nil)); got != "" {
		t.Errorf("a valid token is refused: %s", got)
	}
}

// TestKeysInHeadersAreNotFollowed offers keys of the attacker's own in every
// way that JOSE has.
func TestKeysInHeadersAreNotFollowed(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	attacker := newECDSA(elliptic.P256())
	var calls atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { calls.Add(1) }))
	defer evil.Close()

	for name, header := range map[string]map[jose.HeaderKey]any{
		"jku":             {"jku": evil.URL, "kid": "mine"},
		"jku, kid theirs": {"jku": evil.URL, "kid": "rsa"},
		"x5u":             {"x5u": evil.URL, "kid": "mine"},
		"x5c":             {"x5c": []string{"AAAA"}, "kid": "mine"},
		"jwk":             {"jwk": publicKey("mine", attacker), "kid": "mine"},
		"kid a URL":       {"kid": evil.URL},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reason(t, g, joseToken(t, jose.ES256, attacker, i.claims(nil), header)); got == "" {
				t.Error("accepted")
			}
		})
	}
	if calls.Load() != 0 {
		t.Errorf("the attacker's server was called %d times", calls.Load())
	}
	// Some issuers send jku with honest tokens.
	honest := rawToken(`{"alg":"RS256","kid":"rsa","jku":"`+evil.URL+`"}`, i.claims(nil), rsaKey())
	if got := reason(t, g, honest); got != "" || calls.Load() != 0 {
		t.Errorf("reason %q, calls %d", got, calls.Load())
	}
}

func TestAllowedAlgorithms(t *testing.T) {
	i := newTestIssuer(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[jose.SignatureAlgorithm]any{
		jose.RS256: rsaKey(), jose.RS384: rsaKey(), jose.RS512: rsaKey(),
		jose.PS256: rsaKey(), jose.PS384: rsaKey(), jose.PS512: rsaKey(),
		jose.ES256: newECDSA(elliptic.P256()), jose.ES384: newECDSA(elliptic.P384()), jose.ES512: newECDSA(elliptic.P521()),
		jose.EdDSA: ed,
	}
	public := []jose.JSONWebKey{}
	for algorithm, key := range keys {
		public = append(public, publicKey(string(algorithm), key))
	}
	i.setKeys(public...)
	all := newTestGate(t, issuerConfig(i, ""), nil)
	one := newTestGate(t, issuerConfig(i, "  algorithms: [ES384]\n"), nil)
	for algorithm, key := range keys {
		token := joseToken(t, algorithm, key, i.claims(nil), map[jose.HeaderKey]any{"kid": string(algorithm)})
		if got := reason(t, all, token); got != "" {
			t.Errorf("%s is refused: %s", algorithm, got)
		}
		want := ReasonAlgorithm
		if algorithm == jose.ES384 {
			want = ""
		}
		if got := reason(t, one, token); got != want {
			t.Errorf("%s with only ES384 allowed: reason %q, want %q", algorithm, got, want)
		}
	}
	// Without a key id there is no telling which key is meant.
	if got := reason(t, all, joseToken(t, jose.RS256, rsaKey(), i.claims(nil), nil)); got != ReasonKey {
		t.Errorf("no kid, several keys: reason %q", got)
	}
}

func TestWeakKeysAreNotUsed(t *testing.T) {
	i := newTestIssuer(t)
	weak := bytes.Repeat([]byte("x"), 32)
	i.setKeys(publicKey("rsa", rsaKey()), jose.JSONWebKey{Key: weak, KeyID: "shared"},
		jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "enc", Use: "enc"})
	g := newTestGate(t, issuerConfig(i, ""), nil)
	if got := reason(t, g, hs256(`{"alg":"HS256","kid":"shared"}`, i.claims(nil), weak)); got != ReasonAlgorithm {
		t.Errorf("a shared key: reason %q", got)
	}
	if got := reason(t, g, rawToken(`{"alg":"RS256","kid":"enc"}`, i.claims(nil), rsaKey())); got != ReasonKey {
		t.Errorf("a key for encryption: reason %q", got)
	}
}

func TestPrincipalOfAToken(t *testing.T) {
	i := newTestIssuer(t)
	for name, c := range map[string]struct {
		config string
		claims map[string]any
		want   adapters.Principal
	}{
		"defaults": {"", nil, adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"reader"}}},
		"no name, no roles": {"", map[string]any{"name": nil, "roles": nil, "preferred_username": "ann@x"},
			adapters.Principal{Subject: "ann", Name: "ann@x"}},
		"keycloak": {"  roleClaims: [realm_access.roles, groups]\n", map[string]any{
			"realm_access": map[string]any{"roles": []string{"a", "mcp.admin"}}, "groups": []string{"a", "/g"}},
			adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"a", "mcp.admin", "/g"}}},
		"pointer": {"  roleClaims: [/https:~1~1x.example~1roles]\n  subjectClaim: oid\n  nameClaim: n\n", map[string]any{
			"https://x.example/roles": "one", "oid": "o", "n": "N"},
			adapters.Principal{Subject: "o", Name: "N", Roles: []string{"one"}}},
		"static": {"  roles: [ci]\n  requiredClaims: {repository_owner: [acme, other]}\n", map[string]any{"repository_owner": "acme"},
			adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"ci", "reader"}}},
		"roles are exact":    {"", map[string]any{"roles": []string{"MCP.Admin"}}, adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"MCP.Admin"}}},
		"audience in a list": {"", map[string]any{"aud": []string{"x", testAudience}}, adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"reader"}}},
		"within the leeway": {"", map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix(), "nbf": time.Now().Add(30 * time.Second).Unix()},
			adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"reader"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newTestGate(t, issuerConfig(i, c.config), nil)
			for range 2 { // the second time from the cache
				got, err := g.Authenticate(t.Context(), bearer(i.token(c.claims)))
				if err != nil {
					t.Fatal(err)
				}
				c.want.Issuer = i.url()
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("principal (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestRequiredClaim(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, "  requiredClaims: {repository_owner: [acme]}\n"), nil)
	for _, claims := range []map[string]any{nil, {"repository_owner": "evil"}, {"repository_owner": true}, {"repository_owner": "acme "}} {
		if got := reason(t, g, i.token(claims)); got != ReasonClaims {
			t.Errorf("%v: reason %q", claims, got)
		}
	}
}
