// Package mtls lets the parts of one installation know each other over a network:
// each has a certificate of an authority that signs for nobody else, and demands
// one. They are files in a folder, and are read again when they change. The
// package knows nothing of what is said over such a connection.
package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/folder"
)

// Files of a folder, named as in a Secret of type kubernetes.io/tls that has its
// authority beside it.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	authorityFile   = "ca.crt"
)

// settle is how long the folder must be quiet before it is read.
const settle = 100 * time.Millisecond

// Identity is the certificate of a part, and the authority that it trusts. Run
// keeps it up to date. It is safe for use by several goroutines.
type Identity struct {
	dir     string
	log     *slog.Logger
	current atomic.Pointer[material]
	// broken is the error that the last reading ended with, so that it is logged
	// once. Only Run touches it.
	broken string
}

// material is what a folder held at one moment.
type material struct {
	// texts are the contents of the files, to compare.
	texts       [3]string
	certificate tls.Certificate
	authority   *x509.CertPool
}

// Open reads the files tls.crt, tls.key and ca.crt in dir.
func Open(dir string, log *slog.Logger) (*Identity, error) {
	m, err := load(dir)
	if err != nil {
		return nil, err
	}
	i := &Identity{dir: dir, log: log}
	i.current.Store(m)
	return i, nil
}

// Run reads the files again whenever the folder changes, until ctx ends. What
// cannot be used leaves the identity as it is, and is logged. Connections that are
// open stay.
func (i *Identity) Run(ctx context.Context) error {
	return folder.Follow(ctx, i.dir, settle, i.log, i.reload)
}

func (i *Identity) reload() {
	m, err := load(i.dir)
	if err != nil {
		if i.broken != err.Error() {
			i.broken = err.Error()
			i.log.Error("certificates cannot be read; those read before stay in use", "error", err)
		}
		return
	}
	i.broken = ""
	if m.texts == i.current.Load().texts {
		return
	}
	i.current.Store(m)
	i.log.Info("certificates replaced", "not_after", m.certificate.Leaf.NotAfter)
}

// Expires is when the certificate ends.
func (i *Identity) Expires() time.Time { return i.current.Load().certificate.Leaf.NotAfter }

// Collector tells metrics when the certificate ends.
func (i *Identity) Collector() prometheus.Collector { return Expiry("parts", i.Expires) }

// Expiry tells metrics when a certificate ends by which this part is known to
// those: "parts" are the others, and "collector" is that of traces.
func Expiry(to string, ends func() time.Time) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "mooring_certificate_expires_timestamp_seconds",
		Help:        "When a certificate ends by which this part is known, in seconds since 1970: to the other parts, or to the collector of traces.",
		ConstLabels: prometheus.Labels{"to": to},
	}, func() float64 { return float64(ends().Unix()) })
}

// Server is TLS 1.3 that takes no client without a certificate of the authority,
// each time with what is current. Protocols are those of ALPN.
func (i *Identity) Server(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m := i.current.Load()
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				NextProtos:   protocols,
				Certificates: []tls.Certificate{m.certificate},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    m.authority,
				// A ticket would let in who has a certificate no more.
				SessionTicketsDisabled: true,
			}, nil
		},
	}
}

// Client is TLS 1.3 to the server of that name, whose certificate must be of the
// authority, each time with what is current.
func (i *Identity) Client(name string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: name,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.current.Load().certificate, nil
		},
		// The authority may change, and RootCAs may not: VerifyConnection does it.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			return i.verify(name, state.PeerCertificates)
		},
	}
}

func (i *Identity) verify(name string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("the server has no certificate")
	}
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: name, Roots: i.current.Load().authority, Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// load reads the three files. Where they do not go together, the folder is being
// changed, or wrong.
func load(dir string) (*material, error) {
	m := new(material)
	for at, name := range []string{certificateFile, keyFile, authorityFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading certificates: %w", err)
		}
		m.texts[at] = string(text)
	}
	var err error
	if m.certificate, err = tls.X509KeyPair([]byte(m.texts[0]), []byte(m.texts[1])); err != nil {
		return nil, fmt.Errorf("reading certificates: %s and %s: %w", certificateFile, keyFile, err)
	}
	m.authority = x509.NewCertPool()
	if !m.authority.AppendCertsFromPEM([]byte(m.texts[2])) {
		return nil, fmt.Errorf("reading certificates: %s has none", authorityFile)
	}
	return m, nil
}
