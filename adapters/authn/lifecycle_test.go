package authn

import (
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

func TestKeyRotation(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	old := i.token(nil)
	if got := reason(t, g, old); got != "" {
		t.Fatal(got)
	}
	next := newECDSA(elliptic.P256())
	fresh := joseToken(t, jose.ES256, next, i.claims(nil), map[jose.HeaderKey]any{"kid": "next"})

	// Both keys are there: the new one is fetched as soon as it is used.
	i.setKeys(publicKey("rsa", rsaKey()), publicKey("next", next))
	if got := reason(t, g, fresh); got != "" {
		t.Errorf("the new key's token: %s", got)
	}
	if got := reason(t, g, old); got != "" {
		t.Errorf("the old key's token while it is still there: %s", got)
	}

	// The old one is taken back: its tokens end with the next fetch, those that
	// were verified before included.
	i.setKeys(publicKey("next", next))
	if got := reason(t, g, rawToken(`{"alg":"RS256","kid":"nobody's"}`, i.claims(nil), rsaKey())); got != ReasonKey {
		t.Errorf("an unknown key's token: %s", got)
	}
	if got := reason(t, g, old); got != ReasonKey {
		t.Errorf("the removed key's token: reason %q", got)
	}
	if got := reason(t, g, fresh); got != "" {
		t.Errorf("the new key's token: %s", got)
	}
}

func TestIssuerDown(t *testing.T) {
	i := newTestIssuer(t)
	i.setDown(true)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	_, err := g.Authenticate(t.Context(), bearer(i.token(nil)))
	if !errors.Is(err, jwks.ErrUnavailable) || AsRefusal(err).Reason != ReasonUnavailable || AsRefusal(err).Status() != 503 {
		t.Errorf("while it is down from the start: %v", err)
	}
	// It comes up later, without a restart here.
	i.setDown(false)
	eventually(t, "the issuer's keys are there", func() bool { return reason(t, g, i.token(nil)) == "" })

	// It goes down again: what is known stays good, and what is not is not
	// called wrong.
	i.setDown(true)
	if got := reason(t, g, i.token(map[string]any{"sub": "bob"})); got != "" {
		t.Errorf("a known key while the issuer is down: reason %q", got)
	}
	if got := reason(t, g, rawToken(`{"alg":"RS256","kid":"new"}`, i.claims(nil), rsaKey())); got != ReasonUnavailable {
		t.Errorf("an unknown key while the issuer is down: reason %q", got)
	}
}

func TestUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	done := make(chan Reason)
	const requests = 200
	for range requests {
		go func() {
			_, err := g.Authenticate(t.Context(), bearer(rawToken(`{"alg":"RS256","kid":"x"}`, i.claims(nil), rsaKey())))
			done <- AsRefusal(err).Reason
		}()
	}
	for range requests {
		if got := <-done; got != ReasonKey {
			t.Errorf("reason %q", got)
		}
	}
	if n := i.fetches.Load(); n > 6 {
		t.Errorf("%d requests made %d fetches", requests, n)
	}
}

func TestCacheNeverOutlivesTheToken(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	token := i.token(map[string]any{"exp": time.Now().Add(10 * time.Second).Unix()})
	if got := reason(t, g, token); got != "" {
		t.Fatal(got)
	}
	if n := g.current.Load().verifier.cache.len(); n != 1 {
		t.Errorf("%d tokens in the cache", n)
	}
	g.skew.Store(int64(80 * time.Second))
	if got := reason(t, g, token); got != ReasonExpired {
		t.Errorf("reason %q", got)
	}
	if n := g.current.Load().verifier.cache.len(); n != 0 {
		t.Errorf("%d tokens in the cache", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	kept := [32]byte{0xff}
	c.put(kept, &verified{})
	for n := range 5 * cacheSize {
		c.put([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}, &verified{})
		if c.get(kept) == nil {
			t.Fatal("what is used all the time was forgotten")
		}
	}
	if c.len() > cacheSize {
		t.Errorf("%d in the cache", c.len())
	}
}

func TestAdapterAudience(t *testing.T) {
	i := newTestIssuer(t)
	own := testPublic + "/adapters/a/mcp"
	for _, c := range []struct {
		mode, audience string
		gateway, a, b  Reason
	}{
		{"accepted", testAudience, "", "", ""},
		{"accepted", own, ReasonAudience, "", ReasonAudience},
		{"accepted", testPublic, "", ReasonAudience, ReasonAudience},
		{"required", testAudience, "", ReasonAudience, ReasonAudience},
		{"required", own, ReasonAudience, "", ReasonAudience},
		{"required", own + "/", ReasonAudience, ReasonAudience, ReasonAudience},
		{"ignored", testAudience, "", "", ""},
		{"ignored", own, ReasonAudience, ReasonAudience, ReasonAudience},
	} {
		g := newTestGate(t, issuerConfig(i, "  adapterAudience: "+c.mode+"\n"), nil)
		token := i.token(map[string]any{"aud": c.audience})
		for range 2 {
			got := []Reason{reason(t, g, token), reason(t, g.ForAdapter("a"), token), reason(t, ForAdapter(g, "b"), token)}
			if got[0] != c.gateway || got[1] != c.a || got[2] != c.b {
				t.Errorf("%s, audience %s: %q, want %q", c.mode, c.audience, got, []Reason{c.gateway, c.a, c.b})
			}
		}
	}
}

func TestSettingsAreReloaded(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, ""), nil)
	token := i.token(map[string]any{"aud": "second"})
	if got := reason(t, g, token); got != ReasonAudience {
		t.Fatal(got)
	}
	// The issuer is away just now: its keys are kept.
	i.setDown(true)
	g.write(t, strings.Replace(issuerConfig(i, ""), testAudience, "second", 1))
	eventually(t, "the new audience is accepted", func() bool { return reason(t, g, token) == "" })
	if got := reason(t, g, i.token(nil)); got != ReasonAudience {
		t.Errorf("the old audience: reason %q", got)
	}

	g.write(t, "issuers: [{url: ftp://x}]\nnonsense: 1\n")
	eventually(t, "the broken file is logged", func() bool { return g.log.contains("stay in use") && g.log.contains("nonsense") })
	if got := reason(t, g, token); got != "" {
		t.Errorf("after a broken file: reason %q", got)
	}

	g.write(t, "issuers: [{url: https://elsewhere.invalid, audiences: [x]}]\n")
	eventually(t, "the issuer is no longer trusted", func() bool { return reason(t, g, token) == ReasonIssuer })
}

func TestTrustedIssuersTellOfKeys(t *testing.T) {
	i := newTestIssuer(t)
	g := newTestGate(t, issuerConfig(i, "  keyRefresh: 10s\n"), nil)
	changes := g.Changes(t.Context())
	if reason(t, g, i.token(nil)) != "" { // waits for the first fetch
		t.Fatal("a valid token is refused")
	}
	next := newECDSA(elliptic.P256())
	i.setKeys(publicKey("next", next))
	if got := reason(t, g, joseToken(t, jose.ES256, next, i.claims(nil), map[jose.HeaderKey]any{"kid": "next"})); got != "" {
		t.Fatal(got)
	}
	<-changes
	trusted, err := g.TrustedIssuers()
	if err != nil {
		t.Fatal(err)
	}
	if len(trusted) != 1 || !strings.Contains(string(trusted[0].KeySet), `"kid":"next"`) || trusted[0].Names[0] != i.url() {
		t.Errorf("issuers %+v", trusted)
	}
	if set, err := jwks.Parse(trusted[0].KeySet); err != nil || set.Len() != 1 {
		t.Errorf("key set %v, error %v", set, err)
	}
}
