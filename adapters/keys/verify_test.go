package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestVerifyRefusesForeignTokens(t *testing.T) {
	dir := t.TempDir()
	path := generate(t, dir)
	ring, _ := open(t, dir)
	good := sign(t, ring, `{"a":1}`)
	parts := strings.Split(good, ".")
	mine, err := readKey(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(alg jose.SignatureAlgorithm, key any, opt *jose.SignerOptions) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opt)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	der, err := x509.MarshalPKIXPublicKey(&mine.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	kid := ring.SigningKeyID()
	opts := func() *jose.SignerOptions { return (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid) }
	for name, token := range map[string]string{
		"empty":            "",
		"garbage":          "a.b.c",
		"payload changed":  parts[0] + "." + "eyJhIjoyfQ" + "." + parts[2],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"alg none":         "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".",
		"other key":        forge(jose.ES256, other, opts()),
		"HMAC by public":   forge(jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), opts()),
		"no kid":           forge(jose.ES256, mine, (&jose.SignerOptions{}).WithType("JWT")),
		"other type":       forge(jose.ES256, mine, (&jose.SignerOptions{}).WithType("JWS").WithHeader("kid", kid)),
		"embedded key":     forge(jose.ES256, other, &jose.SignerOptions{EmbedJWK: true}),
		"too long":         good + strings.Repeat("A", maxToken),
		"two tokens":       good + "," + good,
		"trailing segment": good + ".e30",
	} {
		t.Run(name, func(t *testing.T) {
			if payload, _, err := ring.Verify(token); !errors.Is(err, ErrToken) {
				t.Errorf("payload %q, error %v", payload, err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	if _, err := Generate(dir); err != nil {
		f.Fatal(err)
	}
	ring, err := Open(Session, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	good, err := ring.Sign([]byte(`{"a":1}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, "", "..", "e30.e30.e30", good[:len(good)-1], strings.ToUpper(good)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		payload, _, err := ring.Verify(token)
		if err == nil && string(payload) != `{"a":1}` {
			t.Errorf("accepted %q with payload %q", token, payload)
		}
	})
}
