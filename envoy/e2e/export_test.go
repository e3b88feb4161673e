package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
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
				"OTEL_EXPORTER_OTLP_CERTIFICATE=client/ca.crt", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=client/tls.crt", "OTEL_EXPORTER_OTLP_CLIENT_KEY=client/tls.key")...))
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

// authority writes certificates into folders of dir, and is what a server on this
// machine uses that wants to know its clients.
func authority(t *testing.T, dir string) *tls.Config {
	t.Helper()
	a := mtlstest.NewAuthority(t)
	folder := func(name string, names ...string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		a.Write(path, names...)
		return path
	}
	folder("client", "mooring")
	server := folder("server", "localhost", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(filepath.Join(server, "tls.crt"), filepath.Join(server, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(server, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(text)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}
}
