package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// issuer is a small OpenID provider on this machine, at an address that pods reach.
type issuer struct {
	t   *testing.T
	url string
	key *ecdsa.PrivateKey
	// certificate is its own, which whoever asks it is to trust.
	certificate []byte
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(machine)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
	})
	server := httptest.NewUnstartedServer(mux)
	_ = server.Listener.Close() // it is on loopback
	if server.Listener, err = net.Listen("tcp", machine+":0"); err != nil {
		t.Fatalf("listening on the lab's bridge: %v", err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		i.t.Errorf("the issuer cannot answer: %v", err)
	}
}

// bearer is the header with a token of that subject and roles.
func (i *issuer) bearer(subject string, roles ...string) []string {
	i.t.Helper()
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": "mooring", "sub": subject, "roles": roles, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		i.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key},
		&jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": "1", "typ": "at+jwt"}})
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return []string{"Authorization", "Bearer " + text}
}

// believed lets the release believe the issuer, until the test ends. Its parts take
// that up by themselves.
func (i *issuer) believed(t *testing.T) {
	t.Helper()
	var before corev1.ConfigMap
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-auth"}, &before); err != nil {
		t.Fatal(err)
	}
	patch := func(data map[string]any) {
		text, err := json.Marshal(map[string]any{"data": data})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tryKubectl(context.WithoutCancel(t.Context()), "", "patch", "configmap", before.Name, "--namespace", release,
			"--type", "merge", "--patch", string(text)); err != nil {
			t.Fatal(err)
		}
	}
	patch(map[string]any{
		"auth.yaml": before.Data["auth.yaml"] + fmt.Sprintf(
			"issuers:\n- {url: %q, audiences: [mooring], caFile: /etc/mooring/auth/issuer.pem}\n", i.url),
		"issuer.pem": string(i.certificate),
	})
	t.Cleanup(func() { patch(map[string]any{"auth.yaml": before.Data["auth.yaml"], "issuer.pem": nil}) })
}
