// Package mtlstest makes authorities and the folders of certificates that package
// mtls reads, for tests.
package mtlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// lifetime is that of all certificates.
const lifetime = time.Hour

// Authority signs certificates.
type Authority struct {
	tb          testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority is one that nobody else knows.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, key: newKey(tb)}
	a.certificate = sign(tb, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, &a.key.PublicKey, a.key)
	return a
}

// Write puts a new certificate for the names, and the authority, into dir, as
// kubelet does it: all files change at once.
func (a *Authority) Write(dir string, names ...string) {
	a.tb.Helper()
	key := newKey(a.tb)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "part"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.tb.Fatalf("encoding a key: %v", err)
	}
	certificate := sign(a.tb, template, a.certificate, &key.PublicKey, a.key)
	Mount(a.tb, dir, map[string][]byte{
		"tls.crt": block("CERTIFICATE", certificate.Raw), "tls.key": block("EC PRIVATE KEY", der),
		"ca.crt": block("CERTIFICATE", a.certificate.Raw),
	})
}

// Mount replaces the files of dir at once, in the way of kubelet: they are links
// through another link, which is renamed over.
func Mount(tb testing.TB, dir string, files map[string][]byte) {
	tb.Helper()
	content, err := os.MkdirTemp(dir, "..content-")
	if err != nil {
		tb.Fatalf("making a folder: %v", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(content, name), text, 0o600); err != nil {
			tb.Fatalf("writing %s: %v", name, err)
		}
		link := filepath.Join(dir, name)
		if err := os.Symlink(filepath.Join("..data", name), link); err != nil && !os.IsExist(err) {
			tb.Fatalf("linking %s: %v", name, err)
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(content), next); err != nil {
		tb.Fatalf("linking the content: %v", err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		tb.Fatalf("replacing the content: %v", err)
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("making a key: %v", err)
	}
	return key
}

// sign makes the certificate of a public key. One without a parent signs itself.
func sign(tb testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		tb.Fatalf("numbering a certificate: %v", err)
	}
	template.SerialNumber = serial
	template.Subject.CommonName = fmt.Sprintf("%s %d", template.Subject.CommonName, serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(lifetime)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		tb.Fatalf("signing a certificate: %v", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("reading a certificate: %v", err)
	}
	return certificate
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
