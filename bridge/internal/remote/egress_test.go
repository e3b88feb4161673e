package remote_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

// TestOperatorsRulesCountAtOnce changes the operator's file between requests:
// each new connection is judged by what it says then, and by nothing that
// cannot be read.
func TestOperatorsRulesCountAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	p := remote.New(remote.Config{
		URL: u, Policy: launch.URLPolicy{AllowLoopback: true}, EgressFile: path, Log: slog.New(slog.DiscardHandler),
	})
	for _, tt := range []struct {
		rules string
		want  int
	}{
		{"no file", http.StatusBadGateway},
		{"", http.StatusAccepted},
		{"egress: {deny: [127.0.0.0/8]}", http.StatusBadGateway},
		{"egress: {only: [127.0.0.0/8]}", http.StatusAccepted},
		{"egress: {loopback: false}", http.StatusBadGateway},
		{"egress: [", http.StatusBadGateway},
	} {
		if tt.rules != "no file" {
			if err := os.WriteFile(path, []byte(tt.rules), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(`{"jsonrpc":"2.0","method":"notifications/x"}`))
		r.Header.Set("Content-Type", "application/json")
		p.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%q: status %d, want %d: %s", tt.rules, w.Code, tt.want, w.Body)
		}
		if strings.Contains(w.Body.String(), path) {
			t.Errorf("%q: the answer names a file: %s", tt.rules, w.Body)
		}
	}
}
