package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

// Trust is whose tokens Envoy may believe by itself. The zero value is nobody's:
// then every request is the external processor's.
type Trust struct {
	// Issuers are those of bearer tokens. One without keys is left out.
	Issuers []authn.TrustedIssuer
	// SessionKeys are the public keys of session tokens, as a JSON Web Key Set.
	// Empty means none.
	SessionKeys []byte
}

// empty reports whether no request can be let pass under t.
func (t Trust) empty() bool { return len(t.SessionKeys) == 0 || len(t.believed()) == 0 }

// believed are the issuers whose tokens can be verified.
func (t Trust) believed() []authn.TrustedIssuer {
	return slices.DeleteFunc(slices.Clone(t.Issuers), func(i authn.TrustedIssuer) bool { return len(i.KeySet) == 0 })
}

// tokenKey names one kind of bearer token: as a provider of jwt_authn, and in
// the metadata that it leaves. It is a digest of the rules for such tokens, since
// what verifies them and what judges their claims reach Envoy one after the
// other: claims must never be judged by the rules of other tokens.
func tokenKey(i authn.TrustedIssuer, name string) string {
	placeholder := func(name string) string { return name }
	sum := sha256.Sum256([]byte(name + "\x00" + bearerTerm(i, "", "", placeholder, placeholder)))
	return "bearer-" + hex.EncodeToString(sum[:8])
}

// headerKey is where the header of such a token is.
func headerKey(tokenKey string) string { return tokenKey + "-header" }
