package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestExport: every part sends its spans by either protocol, over TLS, with the
// headers and, where there is one, the certificate that the collector wants.
// Files are named from where the operator stands.
func TestExport(t *testing.T) {
	for name, tt := range map[string]struct {
		start func(*testing.T, *tls.Config) *collector
		key   string
		env   []string
	}{
		"http": {startHTTPCollector, "50% of sesame", []string{"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_EXPORTER_OTLP_HEADERS=x-collector-key=50%25%20of%20sesame"}},
		"grpc": {startGRPCCollector, "half of sesame", []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_HEADERS=x-collector-key=half%20of%20sesame"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := tt.start(t, authority(t, dir))
			m := harness.Start(t, harness.Dir(dir), harness.Env(append(tt.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_BSP_SCHEDULE_DELAY=50",
				"OTEL_EXPORTER_OTLP_CERTIFICATE=ca.pem", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=client.pem", "OTEL_EXPORTER_OTLP_CLIENT_KEY=client-key.pem")...))
			m.Deploy(m.TestServer("a", 1))
			defer func() {
				if t.Failed() {
					t.Logf("spans have come from %v", c.parts())
				}
			}()
			session := m.Initialize("a")
			m.Await("spans of all parts", 30*time.Second, func() bool {
				session.MustCall("who")
				return slices.Equal(c.parts(), []string{"bridge", "envoy", "extproc"})
			})
			c.mu.Lock()
			defer c.mu.Unlock()
			if slices.ContainsFunc(c.headers, func(h string) bool { return h != tt.key }) || len(c.headers) < 3 {
				t.Errorf("headers %q", c.headers)
			}
			if name == "http" && !c.squeezed {
				t.Error("nothing came compressed")
			}
			if slices.ContainsFunc(c.peers, func(name string) bool { return name != "mooring" }) || len(c.peers) < 3 {
				t.Errorf("certificates of senders: %q", c.peers)
			}
		})
	}
}

// authority writes ca.pem, client.pem and client-key.pem into dir, and is what a
// server on this machine uses that wants to know its clients.
func authority(t *testing.T, dir string) *tls.Config {
	t.Helper()
	ca := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	server := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "collector"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca)
	client := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "mooring"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca)
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":         {Type: "CERTIFICATE", Bytes: ca.Leaf.Raw},
		"client.pem":     {Type: "CERTIFICATE", Bytes: client.Leaf.Raw},
		"client-key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.Leaf)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}
}

// certificate makes one of a new key, by an authority; nil means by itself.
func certificate(t *testing.T, template *x509.Certificate, by *tls.Certificate) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}
