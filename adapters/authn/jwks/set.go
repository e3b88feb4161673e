package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxKeys is how many keys one issuer can have.
	maxKeys = 256
	// MaxKeyID is the length of the longest id of a key, in bytes.
	MaxKeyID = 512

	// RSA keys below 2048 bits can be broken; those over 8192 are a way to keep
	// a verifier busy.
	minRSABits, maxRSABits = 2048, 8192
)

// Algorithms are the signature algorithms that a token can have: asymmetric
// ones alone, since a public key must never serve as a shared secret.
func Algorithms() []string {
	return []string{
		string(jose.RS256), string(jose.RS384), string(jose.RS512),
		string(jose.PS256), string(jose.PS384), string(jose.PS512),
		string(jose.ES256), string(jose.ES384), string(jose.ES512),
		string(jose.EdDSA),
	}
}

// Key is a public key that verifies signatures.
type Key struct {
	// Thumbprint names the key by what it is (RFC 7638), whatever its issuer
	// calls it.
	Thumbprint string
	jwk        jose.JSONWebKey
}

// Public is the key for go-jose's Verify: *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey.
func (k Key) Public() any { return k.jwk.Key }

// Set is the keys of an issuer at one moment. It is immutable; nil is the set
// without keys.
type Set struct {
	keys   []Key
	thumbs map[string]bool
}

// Parse reads a JSON Web Key Set. Keys that cannot verify a signature are left
// out: those for encryption, private and symmetric ones, weak ones, and those
// of kinds that are not known.
func Parse(text []byte) (*Set, error) {
	var document struct {
		Keys *[]jsontext.Value `json:"keys"`
	}
	if err := jsonv2.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("decoding key set: %w", err)
	}
	if document.Keys == nil {
		return nil, errors.New("decoding key set: it has no member keys")
	}
	if len(*document.Keys) > maxKeys {
		return nil, fmt.Errorf("decoding key set: it has %d keys, more than %d", len(*document.Keys), maxKeys)
	}
	set := &Set{thumbs: map[string]bool{}}
	for _, raw := range *document.Keys {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal(raw, &jwk); err != nil || !verifies(jwk) {
			continue
		}
		thumbprint, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			continue
		}
		id := base64.RawURLEncoding.EncodeToString(thumbprint)
		set.keys = append(set.keys, Key{Thumbprint: id, jwk: jose.JSONWebKey{
			Key: jwk.Key, KeyID: jwk.KeyID, Algorithm: jwk.Algorithm, Use: "sig",
		}})
		set.thumbs[id] = true
	}
	return set, nil
}

// verifies reports whether the key can verify a signature of any algorithm.
func verifies(jwk jose.JSONWebKey) bool {
	return jwk.Valid() && (jwk.Use == "" || jwk.Use == "sig") &&
		slices.ContainsFunc(Algorithms(), func(algorithm string) bool { return suits(jwk, algorithm) })
}

// suits reports whether the key can verify a signature of that algorithm.
func suits(jwk jose.JSONWebKey, algorithm string) bool {
	if jwk.Algorithm != "" && jwk.Algorithm != algorithm {
		return false
	}
	switch key := jwk.Key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) &&
			bits >= minRSABits && bits <= maxRSABits
	case *ecdsa.PublicKey:
		return curveOf(algorithm) == key.Curve
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}

func curveOf(algorithm string) elliptic.Curve {
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.ES256:
		return elliptic.P256()
	case jose.ES384:
		return elliptic.P384()
	case jose.ES512:
		return elliptic.P521()
	}
	return nil
}

// Find returns the keys that may have made a signature of that algorithm under
// that key id. Without an id it is the only key that suits: where there are
// several, trying each of them would let whoever sends tokens choose.
func (s *Set) Find(algorithm, id string) []Key {
	if s == nil {
		return nil
	}
	var found []Key
	for _, key := range s.keys {
		if suits(key.jwk, algorithm) && (id == "" || key.jwk.KeyID == id) {
			found = append(found, key)
		}
	}
	if id == "" && len(found) > 1 {
		return nil
	}
	return found
}

// Has reports whether the key of that thumbprint is in the set.
func (s *Set) Has(thumbprint string) bool { return s != nil && s.thumbs[thumbprint] }

// Len is how many keys there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// For is the set as a JSON Web Key Set in which each key names the one algorithm
// that it is for, of those: a key that suits several is there as often. There are
// verifiers that let a token's header choose otherwise. Keys whose ids are longer
// than MaxKeyID, which no token may name, are left out.
func (s *Set) For(algorithms []string) ([]byte, error) {
	document := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range s.keys {
		for _, algorithm := range algorithms {
			if suits(key.jwk, algorithm) && len(key.jwk.KeyID) <= MaxKeyID {
				only := key.jwk
				only.Algorithm = algorithm
				document.Keys = append(document.Keys, only)
			}
		}
	}
	return json.Marshal(document)
}

// MarshalJSON is the set as a JSON Web Key Set, with nothing but what it takes
// to verify.
func (s *Set) MarshalJSON() ([]byte, error) {
	document := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	if s != nil {
		for _, key := range s.keys {
			document.Keys = append(document.Keys, key.jwk)
		}
	}
	return json.Marshal(document)
}

// equal reports whether both sets hold the same keys, under the same ids, in
// the same order.
func (s *Set) equal(other *Set) bool {
	if s == nil || other == nil {
		return s == other
	}
	return slices.EqualFunc(s.keys, other.keys, func(a, b Key) bool {
		return a.Thumbprint == b.Thumbprint && a.jwk.KeyID == b.jwk.KeyID && a.jwk.Algorithm == b.jwk.Algorithm
	})
}
