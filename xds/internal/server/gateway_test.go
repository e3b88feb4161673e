package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/wake"
)

const (
	patience  = 10 * time.Second
	publicURL = "https://mcp.example.com"
)

// gateway is a control plane with a real Envoy, an external processor that
// allows what it is not told to refuse, and an API that says its name.
type gateway struct {
	t        testing.TB
	dir      string
	listen   string
	ops      string
	store    *adapterstest.Store
	deployer *adapterstest.Deployer
	loop     *snapshot.Loop
	registry *prometheus.Registry
	// stop ends the control plane.
	stop    func()
	log     *safeBuffer
	envoy   *envoytest.Envoy
	extproc *processor
	api     *http.Server
	client  *http.Client
	// connections is how many Envoy takes.
	connections uint32
	// truster is who Envoy may believe. Nil means that it may not.
	truster snapshot.Truster
	// pods says that replicas are pods.
	pods bool
	// wakes counts how often adapters were to be woken. Nil means that no requests
	// are held.
	wakes *atomic.Int32
	waker *wake.Waker
}

// sabotage changes what is made of an adapter, after it was checked.
type sabotage struct {
	*translate.Translator
	spoil func(*translate.Adapter)
}

func (s sabotage) Adapter(e translate.Entry) (*translate.Adapter, error) {
	a, err := s.Translator.Adapter(e)
	if err == nil && s.spoil != nil {
		s.spoil(a)
	}
	return a, err
}

func newGateway(t testing.TB, spoil func(*translate.Adapter)) *gateway {
	t.Helper()
	g := prepared(t)
	g.start(spoil)
	g.extproc = newProcessor(t, g.socket("extproc.sock"))
	return g
}

// prepared is a gateway without control plane and external processor.
func prepared(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{
		t: t, dir: envoytest.SocketDir(t),
		listen: envoytest.FreeAddress(t), ops: envoytest.FreeAddress(t),
		store: new(adapterstest.Store), deployer: new(adapterstest.Deployer),
		log: new(safeBuffer), connections: 1000,
		client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	g.api = g.serve("api.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			_, _ = fmt.Fprintf(w, "api %s %s", r.Method, r.URL)
		}))
		if g.waker != nil {
			serve = g.waker.Before(serve)
		}
		serve.ServeHTTP(w, r)
	}))
	for _, name := range []string{"xds-ops", "extproc-ops"} {
		g.serve(name+".sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, name, " ", r.URL)
		}))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control plane's log:\n%s", g.log)
		}
	})
	return g
}

func (g *gateway) socket(name string) string { return filepath.Join(g.dir, name) }

// start runs a control plane until the test ends or g.stop is called.
func (g *gateway) start(spoil func(*translate.Adapter)) {
	g.t.Helper()
	set := translate.Settings{Listen: g.listen, OpsListen: g.ops, PublicURL: publicURL, Fast: g.truster != nil, Pods: g.pods, OpsAnyHost: g.pods}
	if g.wakes != nil {
		set.Waker = translate.Waker{Listen: envoytest.FreeAddress(g.t), Hold: patience}
	}
	translator, err := translate.New(set)
	if err != nil {
		g.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(g.log, nil))
	g.registry = prometheus.NewRegistry()
	g.loop = snapshot.New(snapshot.Config{
		Store: g.store, Deployer: g.deployer, Translator: sabotage{translator, spoil},
		Registerer: g.registry, Log: log, Truster: g.truster,
	})
	l, err := net.Listen("unix", g.socket("ads.sock"))
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	if g.wakes != nil {
		g.waker, err = wake.New(wake.Config{
			Loop: g.loop, Timeout: patience, Most: 10, MostOfOne: 10, Registerer: g.registry, Log: log,
			Wake: func(context.Context, string) error { g.wakes.Add(1); return nil },
		})
		if err != nil {
			g.t.Fatal(err)
		}
		group.Go(func() error { return g.waker.Run(ctx) })
	}
	group.Go(func() error { return g.loop.Run(ctx) })
	group.Go(func() error { return server.New(g.loop, log).Serve(ctx, l) })
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := group.Wait(); err != nil {
			g.t.Errorf("control plane: %v", err)
		}
	})
	g.t.Cleanup(g.stop)
}

func (g *gateway) startEnvoy() {
	g.t.Helper()
	text, err := bootstrap.Render(bootstrap.Config{
		NodeID: "test", NodeCluster: "test", AdminSocket: g.socket("envoy-admin.sock"),
		ADSSocket: g.socket("ads.sock"), APISocket: g.socket("api.sock"), XDSOpsSocket: g.socket("xds-ops.sock"),
		ExtProcSocket: g.socket("extproc.sock"), ExtProcLogSocket: g.socket("extproc.sock"), ExtProcOpsSocket: g.socket("extproc-ops.sock"),
		MaxConnections: g.connections, MaxHeapBytes: 1 << 30,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.envoy = envoytest.Start(g.t, text)
	if err := os.Remove(g.socket("envoy-admin.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(g.envoy.Dir(), "admin.sock"), g.socket("envoy-admin.sock")); err != nil {
		g.t.Fatal(err)
	}
}

// serve serves h on a socket until the test ends.
func (g *gateway) serve(name string, h http.Handler) *http.Server {
	g.t.Helper()
	l, err := net.Listen("unix", g.socket(name))
	if err != nil {
		g.t.Fatal(err)
	}
	return g.serveOn(l, name, h)
}

func (g *gateway) serveOn(l net.Listener, name string, h http.Handler) *http.Server {
	g.t.Helper()
	s := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	g.t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			g.t.Errorf("serving %s: %v", name, err)
		}
	})
	return s
}

// replica serves MCP on a socket of its own: it echoes what it was asked, as
// itself.
func (g *gateway) replica(id string) adapters.Instance {
	g.serve(id, echo(id))
	return adapters.Instance{ID: id, Address: g.socket(id), State: adapters.InstanceReady}
}

func echo(id string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Set-Cookie", "X-Envoy-Upstream-Service-Time", "Access-Control-Allow-Origin", "Mcp-Session-Id", "X-Mooring-Endpoint", "Server",
			"Www-Authenticate", "Location", "Refresh", "Strict-Transport-Security", "Content-Security-Policy"} {
			w.Header().Set(name, "upstream")
		}
		if status, err := strconv.Atoi(r.Header.Get("X-Test-Status")); err == nil {
			w.WriteHeader(status)
		}
		_, _ = fmt.Fprintf(w, "%s\n%s %s\n", id, r.Method, r.URL)
		_ = r.Header.Write(w)
	})
}

// add stores an adapter with instances.
func (g *gateway) add(name string, instances ...adapters.Instance) adapters.Adapter {
	g.t.Helper()
	return g.addWith(adapters.RecoveryResume, name, instances...)
}

// addWith is add with a choice of what becomes of sessions whose replica is gone.
func (g *gateway) addWith(recovery adapters.SessionRecovery, name string, instances ...adapters.Instance) adapters.Adapter {
	g.t.Helper()
	a := adapterstest.Example(name)
	a.ReplicaCount, a.SessionRecovery = len(instances), recovery
	g.deployer.SetInstances(a.ID, instances...)
	a, err := g.store.Create(g.t.Context(), a)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// awaitProgrammed waits until the condition of a has that status.
func (g *gateway) awaitProgrammed(a adapters.Adapter, status string) adapters.Condition {
	g.t.Helper()
	var c adapters.Condition
	g.await("condition of "+a.Name+" is "+status, func() bool {
		c = g.loop.Programmed(a)
		return c.Status == status
	})
	return c
}

func (g *gateway) await(what string, ok func() bool) {
	g.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-timeout:
			g.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
