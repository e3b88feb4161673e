package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(dir string) Config {
	return Config{
		DB: filepath.Join(dir, "adapters.db"), AdaptersDir: filepath.Join(dir, "adapters"), RunDir: filepath.Join(dir, "b"),
		Bridge: "/nonexistent/bridge", ADSSocket: filepath.Join(dir, "ads.sock"),
		APISocket: filepath.Join(dir, "api.sock"), OpsSocket: filepath.Join(dir, "ops.sock"),
		Shared: Shared{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090", PublicURL: "http://127.0.0.1:8080"},
	}
}

// get asks the server on a socket.
func get(socket, path string) (int, string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	res, err := client.Get("http://127.0.0.1:8080" + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func awaitReady(t *testing.T, socket string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(20 * time.Second)
	for {
		if status, _, err := get(socket, "/readyz"); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("not ready in time")
		}
	}
}

func TestRun(t *testing.T) {
	cfg := config(envoytest.SocketDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx, cfg, logging.New(io.Discard, "xds", slog.LevelInfo, nil)) }()
	awaitReady(t, cfg.OpsSocket)
	for _, path := range []string{cfg.ADSSocket, cfg.APISocket, cfg.OpsSocket} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket %s: %v, error %v", path, info, err)
		}
	}
	if status, body, err := get(cfg.APISocket, "/adapters"); err != nil || status != http.StatusOK {
		t.Errorf("listing adapters: %d %s, error %v", status, body, err)
	}
	if _, body, err := get(cfg.OpsSocket, "/metrics"); err != nil || !strings.Contains(body, "mooring_adapters{") {
		t.Errorf("metrics: %s, error %v", body, err)
	}
	// The sockets of a program that runs are not taken from it.
	if err := run(ctx, cfg, logging.New(io.Discard, "xds", slog.LevelInfo, nil)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second start: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheGatewayIsNoRemoteServer(t *testing.T) {
	cfg := config("/nonexistent")
	cfg.PublicURL = "https://Gateway.Example"
	policy, err := machineRemotes(cfg.Shared)
	if err != nil {
		t.Fatal(err)
	}
	for raw, allowed := range map[string]bool{
		"http://localhost:8080/adapters/a/mcp": false, "http://127.0.0.1:9090/": false, "http://[::1]:8080/": false,
		"https://gateway.example/adapters/a/mcp": false, "http://127.0.0.1:8000/mcp": true, "https://other.example/": true,
	} {
		if err := launch.CheckURL(raw, policy); (err == nil) != allowed {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestRunWithIdentity: who may call is what auth.yaml says, and nothing else.
func TestRunWithIdentity(t *testing.T) {
	cfg := config(envoytest.SocketDir(t))
	cfg.Auth, cfg.APIKeys = filepath.Join(t.TempDir(), "auth.yaml"), filepath.Join(t.TempDir(), "apikeys.json")
	if err := run(t.Context(), cfg, logging.New(io.Discard, "xds", slog.LevelInfo, nil)); err == nil || !strings.Contains(err.Error(), "auth.yaml") {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(cfg.Auth, []byte("apiKeys: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx, cfg, logging.New(io.Discard, "xds", slog.LevelInfo, nil)) }()
	awaitReady(t, cfg.OpsSocket)
	for path, want := range map[string]int{
		"/adapters": 401, "/adapters/none": 401, "/adapters/none/mcp": 401, "/apikeys": 401, "/.well-known/oauth-protected-resource": 200,
	} {
		if status, body, err := get(cfg.APISocket, path); err != nil || status != want {
			t.Errorf("%s: %d %s, error %v", path, status, body, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunNamesWhatIsWrong(t *testing.T) {
	dir := envoytest.SocketDir(t)
	for name, spoil := range map[string]func(*Config){
		"listen address": func(c *Config) { c.Listen = "gateway.example:8080" },
		"another":        func(c *Config) { c.OpsSocket = c.APISocket },
		"URL":            func(c *Config) { c.PublicURL = "ftp://x" },
	} {
		cfg := config(dir)
		spoil(&cfg)
		if err := run(t.Context(), cfg, logging.New(io.Discard, "xds", slog.LevelInfo, nil)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// lasting is a deployer that says when it was told to end.
type lasting struct {
	adapterstest.Deployer
	ended chan struct{}
}

func (l *lasting) Run(ctx context.Context) error {
	<-ctx.Done()
	close(l.ended)
	return nil
}

// TestFaultLeavesBridges: where a part of the control plane fails, the bridges
// are not ended.
func TestFaultLeavesBridges(t *testing.T) {
	cfg := config(envoytest.SocketDir(t))
	listeners, err := listenAll(cfg.ADSSocket, cfg.APISocket, cfg.OpsSocket)
	if err != nil {
		t.Fatal(err)
	}
	if err := listeners[2].Close(); err != nil {
		t.Fatal(err)
	}
	deployer := &lasting{ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := served(ctx, listeners, partsFor(t, new(adapterstest.Store), deployer)); err == nil {
		t.Error("no error")
	}
	select {
	case <-deployer.ended:
		t.Error("the bridges were ended")
	default:
	}
	cancel()
	<-deployer.ended
}

// TestDeployerThatFailsEndsTheProgram: its supervisor starts it again.
func TestDeployerThatFailsEndsTheProgram(t *testing.T) {
	cfg := config(envoytest.SocketDir(t))
	listeners, err := listenAll(cfg.ADSSocket, cfg.APISocket, cfg.OpsSocket)
	if err != nil {
		t.Fatal(err)
	}
	if err := served(t.Context(), listeners, partsFor(t, new(adapterstest.Store), new(failing))); !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
}

var errDisk = errors.New("disk")

// failing is a deployer that cannot run.
type failing struct{ adapterstest.Deployer }

func (*failing) Run(context.Context) error { return errDisk }

func served(ctx context.Context, listeners []net.Listener, p parts) error {
	return serve(ctx, p, p.on(listeners)...)
}

func partsFor(t *testing.T, store adapters.Store, deployer adapters.Deployer) parts {
	t.Helper()
	translator, err := translate.New(translate.Settings{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	loop := snapshot.New(snapshot.Config{
		Store: store, Deployer: deployer, Translator: translator, Registerer: registry, Log: quiet(),
	})
	return parts{
		run: deployer.Run, loop: loop, discovery: server.New(loop, quiet()),
		api: http.NotFoundHandler(), ops: opsHandler(registry, loop, store, deployer, logging.New(io.Discard, "xds", slog.LevelInfo, nil)),
	}
}

func TestBridgeMetrics(t *testing.T) {
	store, deployer := new(adapterstest.Store), new(adapterstest.Deployer)
	a, err := store.Create(t.Context(), adapterstest.Example("one"))
	if err != nil {
		t.Fatal(err)
	}
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String())
	}))
	defer bridge.Close()
	address := bridge.Listener.Addr().String()
	deployer.SetInstances(a.ID,
		adapters.Instance{ID: "old", Ordinal: 0, Address: "/nonexistent", State: adapters.InstanceDraining},
		adapters.Instance{ID: "new", Ordinal: 0, Address: address, State: adapters.InstanceReady},
		adapters.Instance{ID: "gone", Ordinal: 1, Address: "/nonexistent", State: adapters.InstanceReady},
	)
	p := partsFor(t, store, deployer)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/metrics/adapters/one/0?x=y": {200, "GET /metrics"},
		"/metrics/adapters/one/new":   {200, "GET /metrics"},
		"/metrics/adapters/one/old":   {502, "the replica does not answer\n"},
		"/metrics/adapters/one/1":     {502, "the replica does not answer\n"},
		"/metrics/adapters/one/7":     {404, "404 page not found\n"},
		"/metrics/adapters/two/0":     {404, "404 page not found\n"},
		"/readyz":                     {503, "no configuration was published yet\n"},
		"/healthz":                    {200, "ok\n"},
	} {
		w := httptest.NewRecorder()
		p.ops.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want.status || w.Body.String() != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, want.status, want.body)
		}
	}
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(envoytest.SocketDir(t), "s.sock")
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path); err == nil {
		t.Error("a socket in use was taken")
	}
	// What a killed process leaves.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
