package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestRemoteWithWorkloadIdentity runs a bridge as the webhook of Azure would have
// it: the cluster's token is exchanged for one that the server takes, over TLS
// with roots from a file. The session outlives the server's own.
func TestRemoteWithWorkloadIdentity(t *testing.T) {
	dir := t.TempDir()
	server := mcp.NewServer(&mcp.Implementation{Name: "far", Version: "1"}, nil)
	var speaks atomic.Pointer[mcp.StreamableHTTPHandler]
	begin := func() {
		speaks.Store(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	}
	begin()
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer for-https://"+r.Host+"/.default" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		speaks.Load().ServeHTTP(w, r)
	}))
	lose := func() {
		for s := range server.Sessions() {
			_ = s.Close()
		}
	}
	t.Cleanup(func() {
		lose()
		far.Close()
	})
	sts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":60,"access_token":"for-%s"}`, r.PostForm.Get("scope"))
	}))
	t.Cleanup(sts.Close)
	roots, assertion := filepath.Join(dir, "roots.pem"), filepath.Join(dir, "assertion")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: far.Certificate().Raw})
	for path, text := range map[string][]byte{roots: certificate, assertion: []byte("cluster")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	webhook := []string{
		"AZURE_CLIENT_ID=c", "AZURE_TENANT_ID=t", "AZURE_FEDERATED_TOKEN_FILE=" + assertion, "AZURE_AUTHORITY_HOST=" + sts.URL + "/",
	}
	b := start(t, webhook, func(c *Config) {
		c.ProxyURL, c.RemoteRoots, c.SessionRecovery, c.WorkloadIdentity = far.URL+"/mcp", roots, recoveryResume, true
	})
	b.await("Ready")
	status, answer, id := b.post("", initialize)
	if status != http.StatusOK || !strings.Contains(answer, `"far"`) || id == "" {
		t.Fatalf("initialize: %d %s", status, answer)
	}
	for i := range 2 {
		if status, answer, _ := b.post(id, `{"jsonrpc":"2.0","id":2,"method":"ping"}`); status != http.StatusOK {
			t.Errorf("message %d: %d %s", i, status, answer)
		}
		lose()
		begin()
	}
	for series, want := range map[string]string{`mooring_bridge_sessions_total{event="recovered"}`: "1", "mooring_bridge_sessions_active": "1"} {
		if got := b.metric(series); got != want {
			t.Errorf("%s is %s, want %s", series, got, want)
		}
	}
	log, err := os.ReadFile(b.logFile)
	if err != nil || strings.Contains(string(log), "for-https") || strings.Contains(string(log), `"cluster"`) || strings.Contains(string(log), id) {
		t.Errorf("the log has a secret, or cannot be read: %v", err)
	}
}

// TestWorkloadIdentityNeedsItsSettings: what is missing is said at the start.
func TestWorkloadIdentityNeedsItsSettings(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"webhook": {func(c *Config) { c.WorkloadIdentity = true }, "AZURE_CLIENT_ID is missing"},
		"roots":   {func(c *Config) { c.RemoteRoots = "none.pem" }, "roots of remote servers"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults(t.TempDir())
			cfg.ProxyURL = "https://server.example/mcp"
			test.change(&cfg)
			if err := run(t.Context(), cfg, nil, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
