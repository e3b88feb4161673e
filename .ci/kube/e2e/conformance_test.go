package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/conformance/suite"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// conformance: a server that is an image of its own keeps every scored check of
// the official suite through Envoy, in both eras.
func conformance(t *testing.T) {
	m := gateway(t)
	through := withKey(t, m)
	dir, err := filepath.Abs("../../../.tools/conformance")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("the conformance suite is not installed; run `make conformance-suite`: %v", err)
	}
	run := func(url, revision string) suite.Outcome {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		found, err := suite.Suite{Dir: dir}.Run(ctx, url, revision, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for name, revision := range map[string]string{"stateful": harness.Legacy, "stateless": harness.Modern} {
		deploy(t, m, ownImage("reference-"+name, "mooring-reference", name))
		pod := awaitPods(t, adapters, adapterPods("reference-"+name), 1, startTimeout)[0]
		direct := run("http://"+pod.Status.PodIP+":8000/mcp", revision)
		gated := run(through+"/adapters/reference-"+name+"/mcp", revision)
		missing := suite.Lost(direct, gated)
		t.Logf("%s: scored checks passed: direct %d, through Envoy %d; lost %d", revision, direct.Scored(), gated.Scored(), len(missing))
		for _, c := range missing {
			t.Errorf("%s: check %s of scenario %s passes directly and is lost through Envoy", revision, c.ID, c.Scenario)
		}
		if direct.Scored() == 0 {
			t.Errorf("%s: no scored check passes", revision)
		}
	}
}

// withKey is an address at which m is reached with its key, by programs that
// have none. A Host or Origin that is not that address itself stays as it is.
func withKey(t *testing.T, m *harness.Mooring) string {
	target := &url.URL{Scheme: "http", Host: m.Listen}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: m.Client().Transport}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	own := server.Listener.Addr().String()
	proxy.Rewrite = func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		if r.In.Host == own {
			r.Out.Host = target.Host
		}
		if r.In.Header.Get("Origin") == "http://"+own {
			r.Out.Header.Set("Origin", target.String())
		}
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return server.URL
}
