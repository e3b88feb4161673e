package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	audience = "mooring-bench"
	// role is what the token's bearer has and every adapter asks for.
	role = "caller"
	// tokenLife is longer than any measurement.
	tokenLife = 12 * time.Hour
)

// issuer is a small OpenID provider of one token.
type issuer struct {
	url    string
	key    *ecdsa.PrivateKey
	server *http.Server
	done   chan struct{}
}

func startIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("starting the issuer: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the issuer: %w", err)
	}
	i := &issuer{url: "http://" + listener.Addr().String(), key: key, done: make(chan struct{})}
	i.server = &http.Server{Handler: i.handler()}
	go func() {
		defer close(i.done)
		_ = i.server.Serve(listener) // ends by close
	}()
	return i, nil
}

func (i *issuer) close() {
	_ = i.server.Close()
	<-i.done
}

func (i *issuer) handler() http.Handler {
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v) // who went needs no answer
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", answer(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"}))
	mux.Handle("GET /keys", answer(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Use: "sig"}}}))
	return mux
}

// config is auth.yaml.
func (i *issuer) config() string {
	return fmt.Sprintf("issuers:\n- url: %s\n  audiences: [%s]\n", i.url, audience)
}

// token is what clients send.
func (i *issuer) token() (string, error) {
	payload, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": audience, "sub": "bench", "roles": []string{role},
		"iat": time.Now().Unix(), "exp": time.Now().Add(tokenLife).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key},
		&jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": "1", "typ": "at+jwt"}})
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return signed.CompactSerialize()
}
