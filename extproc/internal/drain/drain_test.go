package drain_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/extproc/internal/drain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bootstrap = `
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: public
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 204}}]}
`

// TestRun: clients are sent away, those who come all the same are served, and
// Envoy says that it is not ready. It ends when nobody is left.
func TestRun(t *testing.T) {
	port := envoytest.FreePort(t)
	e := envoytest.Start(t, fmt.Appendf(nil, bootstrap, port), envoytest.Args("--drain-time-s", "60", "--drain-strategy", "immediate"))
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	if closes := get(t, url); closes {
		t.Error("clients are sent away before")
	}
	idle, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- drain.Run(t.Context(), e.AdminSocket(), time.Minute) }()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(10 * time.Second); !get(t, url); {
		select {
		case <-deadline:
			t.Fatal("clients are not sent away")
		case <-ticker.C:
		}
	}
	if status := e.Status("/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready: status %d", status)
	}
	select {
	case err := <-done:
		t.Errorf("it ended before its time: %v", err)
	default:
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestTime: who does not go is not waited for without end.
func TestTime(t *testing.T) {
	port := envoytest.FreePort(t)
	e := envoytest.Start(t, fmt.Appendf(nil, bootstrap, port))
	began := time.Now()
	if err := drain.Run(t.Context(), e.AdminSocket(), 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond || took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestNobodyThere: what cannot be drained is not waited for.
func TestNobodyThere(t *testing.T) {
	if err := drain.Run(t.Context(), filepath.Join(t.TempDir(), "none.sock"), time.Hour); err == nil {
		t.Error("no error")
	}
}

// get reports whether the client is asked to close the connection.
func get(t *testing.T, url string) bool {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("status %d", res.StatusCode)
	}
	return res.Close
}
