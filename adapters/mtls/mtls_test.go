package mtls_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "xds.example"

func open(t *testing.T, dir string) *mtls.Identity {
	t.Helper()
	i, err := mtls.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// part is an identity of the authority, kept up to date.
func part(t *testing.T, a *mtlstest.Authority, names ...string) (dir string, i *mtls.Identity) {
	t.Helper()
	dir = t.TempDir()
	a.Write(dir, names...)
	i = open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return dir, i
}

// serve answers everybody who is let in.
func serve(t *testing.T, i *mtls.Identity) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(tls.NewListener(l, i.Server("h2", "http/1.1"))) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

func ask(t *testing.T, address string, config *tls.Config) (string, error) {
	t.Helper()
	config.NextProtos = []string{"http/1.1"}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	res, err := client.Get("https://" + address)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

func TestWhoIsLetIn(t *testing.T) {
	ours, theirs := mtlstest.NewAuthority(t), mtlstest.NewAuthority(t)
	_, server := part(t, ours, host)
	_, client := part(t, ours)
	_, stranger := part(t, theirs)
	address := serve(t, server)
	if text, err := ask(t, address, client.Client(host)); err != nil || text != "HTTP/1.1" {
		t.Errorf("a client of the authority: %q, error %v", text, err)
	}
	for name, tt := range map[string]struct {
		config *tls.Config
		fault  string
	}{
		"a server of another name":                {client.Client("other.example"), "other.example"},
		"a client that demands its own authority": {stranger.Client(host), "unknown authority"},
		"no certificate":                          {&tls.Config{InsecureSkipVerify: true}, "certificate required"},
		"a certificate of another authority": {&tls.Config{
			InsecureSkipVerify: true, GetClientCertificate: stranger.Client(host).GetClientCertificate,
		}, "unknown certificate authority"},
		"TLS 1.2": {&tls.Config{
			InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, GetClientCertificate: client.Client(host).GetClientCertificate,
		}, "protocol version"},
	} {
		if _, err := ask(t, address, tt.config); err == nil || !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestRotation replaces the authority while both sides run.
func TestRotation(t *testing.T) {
	old, next := mtlstest.NewAuthority(t), mtlstest.NewAuthority(t)
	serverDir, server := part(t, old, host)
	clientDir, client := part(t, old)
	address := serve(t, server)
	leftBehind := open(t, clientDir)
	next.Write(serverDir, host)
	next.Write(clientDir)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	refused := func() bool { _, err := ask(t, address, leftBehind.Client(host)); return err != nil }
	for deadline := time.After(10 * time.Second); ; {
		_, err := ask(t, address, client.Client(host))
		if err == nil && refused() {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("the new authority counts for both: %v", err)
		}
	}
}

func TestBrokenFolder(t *testing.T) {
	a, dir := mtlstest.NewAuthority(t), t.TempDir()
	if _, err := mtls.Open(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an empty folder is taken")
	}
	a.Write(dir, host)
	i := open(t, dir)
	if left := time.Until(i.Expires()); left <= 0 || left > time.Hour {
		t.Errorf("it expires in %v", left)
	}
	mtlstest.Mount(t, dir, map[string][]byte{"tls.crt": nil, "tls.key": nil, "ca.crt": nil})
	if _, err := mtls.Open(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("empty files are taken")
	}
}
