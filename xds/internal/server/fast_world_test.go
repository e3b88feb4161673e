package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/xds/internal/trust"
)

const (
	audience = "mooring"
	ownRole  = "reader"
	inspect  = "alw" // the adapter with inspection always
	fast     = "ses" // its twin with inspection session
)

// world is a gateway with the real external processor, an issuer, and two
// adapters that are equal but for their inspection and served by one server,
// which answers with what it saw.
type world struct {
	*gateway
	issuer    *tokenIssuer
	folder    string // of session keys
	gate      *authn.Gate
	processor *exec.Cmd
	// births are the claims of a session of each adapter and user.
	births map[string]map[string]any
}

// TestFast compares the two ways of a request, and looks for what could keep one
// of them open.
func TestFast(t *testing.T) {
	w := newWorld(t)
	t.Run("configuration", w.inside(configuration))
	// First: strange tokens use up what an issuer is asked ahead of time.
	t.Run("cut off", w.inside(cutOff))
	w.begin()
	t.Run("counted", w.inside(counted))
	t.Run("same verdicts", w.inside(sameVerdicts))
}

// inside is test as a subtest, which fails in place of the test around it.
func (w *world) inside(test func(*testing.T, *world)) func(*testing.T) {
	return func(t *testing.T) {
		outer, issuer := w.t, w.issuer.t
		w.t, w.issuer.t = t, t
		defer func() { w.t, w.issuer.t = outer, issuer }()
		test(t, w)
	}
}

// counted: requests that Envoy lets pass are in the metrics as well.
func counted(t *testing.T, w *world) {
	w.mustPass("to be counted")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.socket("extproc-own.sock"))
	}}}
	w.await("the request is counted", func() bool {
		res, err := client.Get("http://extproc/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return err == nil && strings.Contains(string(text), `mooring_requests_total{adapter="`+fast+`",code="200",method="unseen"}`) &&
			strings.Contains(string(text), `mooring_sessions_active{adapter="`+fast+`"}`)
	})
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{gateway: prepared(t), issuer: newTokenIssuer(t), births: map[string]map[string]any{}}
	w.folder = filepath.Join(w.dir, "keys")
	if _, err := keys.Generate(w.folder); err != nil {
		t.Fatal(err)
	}
	auth := fmt.Sprintf("issuers:\n- url: %s\n  audiences: [%s]\n  requiredScopes: [mcp.use]\n  requiredClaims: {org: [ours]}\n  roleClaims: [roles, realm_access.roles]\n",
		w.issuer.url, audience)
	if err := os.WriteFile(w.socket("auth.yaml"), []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	w.startProcessor()
	t.Cleanup(func() { w.endProcessor() })
	w.startTrust()
	w.start(nil)
	instance := w.recorder("recorder")
	for _, name := range []string{inspect, fast} {
		a := w.twin(name)
		w.deployer.SetInstances(a.ID, instance)
		if _, err := w.store.Create(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	w.startEnvoy()
	w.awaitTwins()
	w.begin()
	return w
}

func (w *world) twin(name string) adapters.Adapter {
	a := adapterstest.Example(name)
	a.ReplicaCount, a.RequiredRoles, a.CreatedBy = 1, []string{ownRole}, w.issuer.url+"|ann"
	if name == fast {
		a.Inspection = adapters.InspectionSession
	}
	return a
}

func (w *world) awaitTwins() {
	w.t.Helper()
	for _, name := range []string{inspect, fast} {
		a, err := w.store.Get(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		w.awaitProgrammed(a, "True")
	}
}

// startProcessor builds and starts the external processor.
func (w *world) startProcessor() {
	w.t.Helper()
	program := w.socket("extproc")
	if _, err := os.Stat(program); err != nil {
		build := exec.Command("go", "build", "-o", program, "./extproc")
		build.Dir = envoytest.ModuleRoot(w.t)
		if text, err := build.CombinedOutput(); err != nil {
			w.t.Fatalf("building the external processor: %v\n%s", err, text)
		}
	}
	w.processor = exec.Command(program, "--socket", w.socket("extproc.sock"), "--ops-socket", w.socket("extproc-own.sock"),
		"--session-keys", w.folder, "--session-jwks", w.socket("session.jwks"), "--auth", w.socket("auth.yaml"),
		"--api-keys", w.socket("apikeys.json"), "--public-url", publicURL, "--listen", w.listen)
	w.processor.Stderr = w.log
	if err := w.processor.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.await("the external processor listens", func() bool {
		_, err := os.Stat(w.socket("extproc.sock"))
		return err == nil
	})
}

func (w *world) endProcessor() {
	if w.processor.ProcessState == nil {
		_ = w.processor.Process.Kill()
		_ = w.processor.Wait() // killed, which is no news
	}
}

// startTrust keeps what Envoy may believe current until the test ends.
func (w *world) startTrust() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	w.gate, err = authn.Open(authn.Options{File: w.socket("auth.yaml"), PublicURL: publicURL, Log: log})
	if err != nil {
		w.t.Fatal(err)
	}
	source := trust.New(w.gate, keys.NewPublished(w.socket("session.jwks"), log))
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.gate.Run(ctx) })
	group.Go(func() error { return source.Run(ctx) })
	w.t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			w.t.Errorf("keeping trust current: %v", err)
		}
	})
	w.truster = source
}

// recorder is a server that begins sessions, and answers all else with what it
// saw.
func (w *world) recorder(id string) adapters.Instance {
	w.serve(id, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Header.Del("X-Request-Id")
		for _, name := range []string{"Set-Cookie", "X-Mooring-Endpoint", "X-Envoy-Attempt-Count", "Www-Authenticate", "Location", "Access-Control-Allow-Origin"} {
			out.Header().Set(name, "upstream")
		}
		out.Header().Set("Mcp-Session-Id", "up-1")
		out.Header().Set("Content-Type", "application/json")
		text, err := json.Marshal(map[string]any{"method": r.Method, "url": r.URL.String(), "header": r.Header, "body": string(body)})
		if err == nil {
			_, _ = out.Write(text)
		}
	}))
	return adapters.Instance{ID: id, Address: w.socket(id), State: adapters.InstanceReady}
}
