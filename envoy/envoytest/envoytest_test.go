package envoytest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const direct = `
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: moored}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`

func TestStart(t *testing.T) {
	port := envoytest.FreePort(t)
	e := envoytest.Start(t, fmt.Appendf(nil, direct, port))

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "moored" {
		t.Fatalf("body %q, error %v", body, err)
	}

	var dump struct {
		Configs []json.RawMessage `json:"configs"`
	}
	if err := json.Unmarshal(e.ConfigDump(), &dump); err != nil || len(dump.Configs) == 0 {
		t.Fatalf("%d configs, error %v", len(dump.Configs), err)
	}
	if info, err := os.Stat(e.Dir() + "/admin.sock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("admin socket: %v, error %v", info, err)
	}
}

func TestKill(t *testing.T) {
	e := envoytest.Start(t, fmt.Appendf(nil, direct, envoytest.FreePort(t)))
	e.Kill()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", e.PID())); !os.IsNotExist(err) {
		t.Fatalf("process is still there: %v", err)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		port := envoytest.FreePort(t)
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		seen[port] = true
	}
}
