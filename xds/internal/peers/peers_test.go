package peers_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/xds/internal/peers"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plane is a control plane's loop.
type plane struct {
	adapters.Notifier
	mu     sync.Mutex
	envoys int
	// peers are how many Envoys each says that it has.
	peers map[snapshot.PeerID]int
}

func (p *plane) Report() snapshot.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return snapshot.Report{Envoys: p.envoys}
}

func (p *plane) Reported(id snapshot.PeerID, r snapshot.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers[id] = r.Envoys
}

func (p *plane) Lost(id snapshot.PeerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.peers, id)
}

func (p *plane) set(envoys int) {
	p.mu.Lock()
	p.envoys = envoys
	p.mu.Unlock()
	p.Notify()
}

// hears reports whether the peers have those Envoys.
func (p *plane) hears(envoys ...int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum, want := 0, 0
	for _, n := range p.peers {
		sum += n
	}
	for _, n := range envoys {
		want += n
	}
	return len(p.peers) == len(envoys) && sum == want
}

// world is control planes on addresses of their own, of which the name has some.
type world struct {
	t        *testing.T
	identity *mtls.Identity
	port     string
}

// start runs a control plane at the address until end, or the test's.
func (w *world) start(address string, p *plane) (end func()) {
	w.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, w.port))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.port == "0" {
		_, w.port, _ = net.SplitHostPort(l.Addr().String())
	}
	s := grpc.NewServer(grpc.WaitForHandlers(true))
	peers.Register(s, address, p)
	listener := &peers.Listener{
		Host: "planes", Port: w.port, Self: address, TLS: w.identity.Client("planes"), Loop: p, Log: slog.New(slog.DiscardHandler),
		Lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.2"}, nil },
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = s.Serve(tls.NewListener(l, w.identity.Server("h2"))) })
	group.Go(func() { _ = listener.Run(ctx) })
	end = sync.OnceFunc(func() {
		cancel()
		s.Stop()
		group.Wait()
	})
	w.t.Cleanup(end)
	return end
}

// TestPlanes: two control planes hear of each other, of changes, and of the end.
func TestPlanes(t *testing.T) {
	dir := t.TempDir()
	mtlstest.NewAuthority(t).Write(dir, "planes")
	identity, err := mtls.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, identity: identity, port: "0"}
	one, other := &plane{envoys: 1, peers: map[snapshot.PeerID]int{}}, &plane{envoys: 2, peers: map[snapshot.PeerID]int{}}
	w.start("127.0.0.1", one)
	end := w.start("127.0.0.2", other)
	await(t, "each hears of the other, and not of itself", func() bool { return one.hears(2) && other.hears(1) })
	other.set(5)
	await(t, "a change is heard of", func() bool { return one.hears(5) })
	end()
	await(t, "the end is heard of", func() bool { return one.hears() })
	w.start("127.0.0.2", other)
	await(t, "the return is heard of", func() bool { return one.hears(5) })
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}
