package bootstrap_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// TestControlPlaneByMTLS: a real Envoy reaches a control plane that demands a
// certificate, and goes on to when both have others of another authority. One that
// has another name, it does not talk to.
func TestControlPlaneByMTLS(t *testing.T) {
	dir, envoyTLS, planeTLS := envoytest.SocketDir(t), t.TempDir(), t.TempDir()
	certify := func(name string) {
		authority := mtlstest.NewAuthority(t)
		authority.Write(planeTLS, name)
		authority.Write(envoyTLS)
	}
	certify("localhost")
	port := envoytest.FreePort(t)
	c := read(t, "testdata/in/kubernetes.yaml")
	for _, socket := range []*string{&c.AdminSocket, &c.ExtProcSocket, &c.ExtProcLogSocket, &c.ExtProcOpsSocket} {
		*socket = filepath.Join(dir, filepath.Base(*socket))
	}
	c.ControlPlane.Host, c.ControlPlane.ADSPort = "localhost", uint32(port)
	c.ControlPlane.CertificateDir, c.ControlPlane.SecretsDir = envoyTLS, dir
	files, err := c.ControlPlane.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := bootstrap.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	e := envoytest.Start(t, text, envoytest.AdminOnly())
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))

	end := discoverySoon(t, address, planeTLS)
	end()
	certify("localhost")
	end = discoverySoon(t, address, planeTLS)
	end()
	certify("other.example")
	p := serveDiscovery(t, address, planeTLS)
	defer p.end()
	await(t, "Envoy refuses another name", func() bool {
		return strings.Contains(string(e.AdminGet("/stats?filter=mooring_internal_ads.ssl.fail_verify_san")), "fail_verify_san: ") &&
			!strings.Contains(string(e.AdminGet("/stats?filter=mooring_internal_ads.ssl.fail_verify_san")), "fail_verify_san: 0")
	})
	if len(p.asked) > 0 {
		t.Error("Envoy asked somebody of another name")
	}
}

// discoverySoon serves Envoy, and returns once that has asked.
func discoverySoon(t *testing.T, address, certificates string) (end func()) {
	t.Helper()
	p := serveDiscovery(t, address, certificates)
	select {
	case <-p.asked:
	case <-time.After(20 * time.Second):
		t.Error("Envoy does not ask")
	}
	return p.end
}

// plane is a control plane that says nothing.
type plane struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	asked chan struct{}
	end   func()
}

func (p *plane) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	select {
	case p.asked <- struct{}{}:
	default:
	}
	<-stream.Context().Done()
	return nil
}

func serveDiscovery(t *testing.T, address, certificates string) *plane {
	t.Helper()
	identity, err := mtls.Open(certificates, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p, s := &plane{asked: make(chan struct{}, 1)}, grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s, p)
	done := make(chan error, 1)
	go func() { done <- s.Serve(tls.NewListener(l, identity.Server("h2"))) }()
	p.end = func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return p
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}
