package authn

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testAudience = "mooring"
	testPublic   = "https://gateway.example"
)

// testIssuer is an OpenID provider that signs whatever it is told to.
type testIssuer struct {
	server    *httptest.Server
	discovery atomic.Int64
	fetches   atomic.Int64

	mu   sync.Mutex
	down bool
	keys []jose.JSONWebKey
}

// rsaKey is made once: making one takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newECDSA(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// newTestIssuer has one RSA key, named rsa.
func newTestIssuer(t *testing.T) *testIssuer {
	t.Helper()
	i := &testIssuer{keys: []jose.JSONWebKey{{Key: rsaKey().Public(), KeyID: "rsa", Use: "sig"}}}
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	return i
}

func (i *testIssuer) url() string { return i.server.URL }

func (i *testIssuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		i.discovery.Add(1)
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":"x","token_endpoint":"x"}`, i.url(), i.url()+"/keys")
	case "/keys":
		i.fetches.Add(1)
		if err := json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys}); err != nil {
			panic(err)
		}
	default:
		http.NotFound(w, r)
	}
}

func (i *testIssuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *testIssuer) setKeys(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// claims are those of a token that is accepted, with changes: nil takes a claim
// away.
func (i *testIssuer) claims(changes map[string]any) string {
	now := time.Now()
	members := map[string]any{
		"iss": i.url(), "aud": testAudience, "sub": "ann", "name": "Ann Å",
		"roles": []string{"reader"}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(members, changes)
	for name, value := range members {
		if value == nil {
			delete(members, name)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// token is a token of the issuer with changes to its claims.
func (i *testIssuer) token(changes map[string]any) string {
	return rawToken(`{"alg":"RS256","kid":"rsa","typ":"at+jwt"}`, i.claims(changes), rsaKey())
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// rawToken signs header and payload as they are, by RS256, whatever they say.
func rawToken(header, payload string, key *rsa.PrivateKey) string {
	input := encoded(header) + "." + encoded(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// joseToken signs payload by the algorithm, with extra members in the header.
func joseToken(t *testing.T, algorithm jose.SignatureAlgorithm, key any, payload string, header map[jose.HeaderKey]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// logBuffer is a log that a test reads while others write.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) contains(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), s)
}

// testGate is a Gate that runs on a file of the settings.
type testGate struct {
	*Gate
	file string
	log  *logBuffer
	// skew is by how much the gate's clock is ahead.
	skew atomic.Int64
}

func newTestGate(t *testing.T, config string, keys KeyChecker) *testGate {
	t.Helper()
	g := &testGate{file: filepath.Join(t.TempDir(), "auth.yaml"), log: &logBuffer{}}
	g.write(t, config)
	var err error
	g.Gate, err = Open(Options{
		File: g.file, PublicURL: testPublic, Keys: keys,
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return time.Now().Add(time.Duration(g.skew.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *testGate) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(g.file+".new", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.file+".new", g.file); err != nil {
		t.Fatal(err)
	}
}

func issuerConfig(i *testIssuer, more string) string {
	return fmt.Sprintf("issuers:\n- url: %s\n  audiences: [%s]\n%s", i.url(), testAudience, more)
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// reason is why a would refuse the token, or empty.
func reason(t *testing.T, a Authenticator, token string) Reason {
	t.Helper()
	_, err := a.Authenticate(t.Context(), bearer(token))
	if err == nil {
		return ""
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the error repeats the token: %v", err)
	}
	return AsRefusal(err).Reason
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

func publicKey(id string, key any) jose.JSONWebKey {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return jose.JSONWebKey{Key: key.Public(), KeyID: id}
	case *ecdsa.PrivateKey:
		return jose.JSONWebKey{Key: key.Public(), KeyID: id}
	case ed25519.PrivateKey:
		return jose.JSONWebKey{Key: key.Public(), KeyID: id}
	}
	panic("not a private key")
}
