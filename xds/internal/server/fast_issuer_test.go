package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tokenIssuer is an issuer of bearer tokens.
type tokenIssuer struct {
	t   *testing.T
	url string

	mu   sync.Mutex
	keys map[string]*ecdsa.PrivateKey
}

func newTokenIssuer(t *testing.T) *tokenIssuer {
	t.Helper()
	i := &tokenIssuer{t: t, keys: map[string]*ecdsa.PrivateKey{}}
	i.add("k1")
	i.add("k2")
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	answer := func(out http.ResponseWriter, v any) {
		if err := json.NewEncoder(out).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(out http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		var set jose.JSONWebKeySet
		for id, key := range i.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Use: "sig"})
		}
		answer(out, set)
	})
	return i
}

func (i *tokenIssuer) add(id string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[id] = key
}

func (i *tokenIssuer) remove(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.keys, id)
}

// fromNow is the time that many seconds after a token is made: many are made one
// after the other, for longer than clocks may differ.
type fromNow int64

// resolved is a claim's value, now.
func resolved(value any) any {
	if after, is := value.(fromNow); is {
		return time.Now().Unix() + int64(after)
	}
	return value
}

// claims are those of a good token, changed. A nil value takes one away.
func (i *tokenIssuer) claims(changes map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": i.url, "aud": audience, "org": "ours", "scope": "a mcp.use b", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	for name, value := range claims {
		claims[name] = resolved(value)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func (i *tokenIssuer) sign(changes map[string]any) string {
	text, err := json.Marshal(i.claims(changes))
	if err != nil {
		i.t.Fatal(err)
	}
	return i.signText("k1", string(text), map[string]any{"alg": "ES256", "kid": "k1", "typ": "at+jwt"})
}

// signText signs any payload under any header with a key of the issuer.
func (i *tokenIssuer) signText(key, payload string, header map[string]any) string {
	head, err := json.Marshal(header)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.signRaw(key, string(head), payload)
}

func (i *tokenIssuer) signRaw(key, header, payload string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := signES256(i.keys[key], text)
	if err != nil {
		i.t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func signES256(key *ecdsa.PrivateKey, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}
