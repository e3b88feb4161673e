package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRouteNamesPolicy: the override of each route is under the filter's name
// in the running Envoy, since a wrong name is ignored in silence, and reaches
// the external processor.
func TestRouteNamesPolicy(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")

	dump := string(g.envoy.ConfigDump())
	if n := strings.Count(dump, `"`+contract.PolicyMetadataKey+`"`); n != 3 {
		t.Errorf("the running configuration carries %d policies, want 3", n)
	}
	if !strings.Contains(dump, `"name": "`+contract.FilterExtProc+`"`) || strings.Contains(dump, "error_state") {
		t.Error("the running configuration has no external processor, or one that was refused")
	}
	for _, tt := range []struct {
		want    contract.Route
		headers []string
	}{
		{contract.RouteBirth, nil},
		{contract.RouteBirth, []string{"Mcp-Protocol-Version", "2025-11-25"}},
		{contract.RouteModern, []string{"Mcp-Protocol-Version", "2026-07-28"}},
		{contract.RouteSession, []string{"Mcp-Session-Id", "s", "Mcp-Protocol-Version", "2025-11-25"}},
	} {
		got := g.ask("POST", "/adapters/one/mcp?q=1", tt.headers...)
		p := g.extproc.last()
		if got.status != 200 || p.Route != tt.want || p.UID != a.ID || p.CreatedBy != a.CreatedBy || p.Version == "" {
			t.Errorf("%v: answer %v, policy %+v", tt.headers, got, p)
		}
		if want := "r\nPOST /mcp?q=1\n"; !strings.HasPrefix(got.body, want) {
			t.Errorf("upstream was asked %q, want %q", got.body, want)
		}
		if id := got.header.Get("Mcp-Session-Id"); id != "" {
			t.Errorf("%s: the server's session id reaches the client as %q", tt.want, id)
		}
		// The processor here hands on what it was shown.
		if id := got.header.Get("X-Test-Session"); (id == "upstream") != (tt.want != contract.RouteModern) {
			t.Errorf("%s: the server's session id reaches the processor as %q", tt.want, id)
		}
	}
}

func TestHeaderHygiene(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	got := g.ask("POST", "/adapters/one/mcp",
		"Authorization", "Bearer secret", "Cookie", "secret=1", "X-Api-Key", "secret", "X-Dev-Roles", "admin",
		"X-Mooring-Principal", "forged", "X-Mooring-Endpoint", "Zm9yZ2Vk", "X-Envoy-Retry-On", "5xx", "X-Keep", "kept")
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Dev-", "X-Mooring-", "X-Envoy-"} {
		if strings.Contains(got.body, name) {
			t.Errorf("%s reached the adapter:\n%s", name, got.body)
		}
	}
	if got.status != 200 || !strings.Contains(got.body, "X-Keep: kept") {
		t.Errorf("answer %v", got)
	}
	for _, name := range []string{"Set-Cookie", "X-Envoy-Upstream-Service-Time", "Access-Control-Allow-Origin", "X-Mooring-Endpoint",
		"Www-Authenticate", "Location", "Refresh", "Strict-Transport-Security"} {
		if value := got.header.Get(name); value != "" {
			t.Errorf("%s: %s reached the client", name, value)
		}
	}
	if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("Content-Security-Policy: %s, a page would run in the gateway's origin", csp)
	}
	if server := got.header.Get("Server"); server != "mooring" {
		t.Errorf("Server: %s", server)
	}
	if got := g.ask("POST", "/adapters/one/mcp", "X_Under", "score"); got.status != 400 {
		t.Errorf("a header with an underscore: %v", got)
	}
}

func TestHosts(t *testing.T) {
	g := newGateway(t, nil)
	g.startEnvoy()
	port := g.listen[strings.LastIndex(g.listen, ":"):]
	opsPort := g.ops[strings.LastIndex(g.ops, ":"):]
	for _, tt := range []struct {
		at, host string
		want     int
	}{
		{g.listen, "127.0.0.1" + port, 200},
		{g.listen, "localhost" + port, 200},
		{g.listen, "LocalHost" + port, 200},
		{g.listen, "[::1]" + port, 200},
		{g.listen, "mcp.example.com", 200},
		{g.listen, "mcp.example.com:8443", 421},
		{g.listen, "localhost", 421},
		{g.listen, "evil.example.com" + port, 421},
		{g.listen, "localhost.evil.example.com" + port, 421},
		{g.ops, "localhost" + opsPort, 200},
		{g.ops, "mcp.example.com" + opsPort, 200},
		{g.ops, "evil.example.com" + opsPort, 421},
		{g.ops, "localhost" + port, 421},
	} {
		got := g.askAt(tt.at, "GET", "/readyz", "Host", tt.host)
		if got.status != tt.want {
			t.Errorf("Host %s: %v, want %d", tt.host, got, tt.want)
		}
		if tt.want == 421 {
			wantProblem(t, got, 421)
		}
	}
}

func TestPaths(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	for path, want := range map[string]string{
		"/adapters":                    "api GET /adapters",
		"/adapters/one":                "api GET /adapters/one",
		"/adapters/one/mcpx":           "api GET /adapters/one/mcpx",
		"/adapters/one/mcp/":           "api GET /adapters/one/mcp/",
		"/adapters/two/mcp":            "api GET /adapters/two/mcp",
		"/mcp":                         "api GET /mcp",
		"/adapters/one/mcp":            "r\nGET /mcp\n",
		"//adapters//one/./mcp":        "r\nGET /mcp\n",
		"/adapters/x/../one/mcp?a=b/c": "r\nGET /mcp?a=b/c\n",
	} {
		if got := g.ask("GET", path); got.status != 200 || !strings.HasPrefix(got.body, want) {
			t.Errorf("%s: %v, want %q", path, got, want)
		}
	}
	if got := g.ask("GET", "/adapters/x%2f..%2fone/mcp"); got.status != 400 {
		t.Errorf("escaped slashes: %v", got)
	}
	wantProblem(t, g.ask("TRACE", "/adapters"), 405)
	for path, want := range map[string]string{
		"/metrics/xds":                  "xds-ops /metrics",
		"/metrics/extproc":              "extproc-ops /metrics",
		"/healthz/extproc":              "extproc-ops /healthz",
		"/healthz/envoy":                "LIVE",
		"/metrics/adapters/one/0":       "xds-ops /metrics/adapters/one/0",
		"/healthz":                      "xds-ops /healthz",
		"/metrics/envoy?filter=^server": "# TYPE envoy_server",
	} {
		if got := g.askAt(g.ops, "GET", path); got.status != 200 || !strings.HasPrefix(got.body, want) {
			t.Errorf("%s: %v, want %q", path, got, want)
		}
	}
	for _, path := range []string{"/", "/stats", "/config_dump", "/metrics/envoy/x", "/quitquitquit", "/debug/pprof/", "/metrics"} {
		wantProblem(t, g.askAt(g.ops, "GET", path), 404)
	}
	wantProblem(t, g.askAt(g.ops, "POST", "/metrics/envoy"), 404)
}

func TestUpgradesAreRefused(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	for _, path := range []string{"/adapters/one/mcp", "/adapters"} {
		if got := g.ask("GET", path, "Connection", "Upgrade", "Upgrade", "websocket"); got.status != 403 {
			t.Errorf("upgrade at %s: %v", path, got)
		}
	}
	for _, target := range []string{g.listen, "upstream.example.com:443"} {
		if status := rawStatus(t, g.listen, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n"); status != 403 {
			t.Errorf("CONNECT %s: %d", target, status)
		}
	}
}

func TestPinning(t *testing.T) {
	g := newGateway(t, nil)
	instances := []adapters.Instance{g.replica("r0"), g.replica("r1"), g.replica("r2")}
	a := g.addWith(adapters.RecoveryFail, "one", instances...)
	g.startEnvoy()
	g.awaitProgrammed(a, "True")

	// Births spread, and tell the endpoint that was chosen.
	pins := map[string]string{}
	for range 30 {
		got := g.ask("POST", "/adapters/one/mcp")
		id, _, _ := strings.Cut(got.body, "\n")
		pins[id] = got.header.Get("X-Test-Endpoint")
	}
	if len(pins) != 3 {
		t.Fatalf("births reached %v, want all three replicas", pins)
	}
	for id, pin := range pins {
		if want := base64.StdEncoding.EncodeToString([]byte(g.socket(id))); pin != want {
			t.Errorf("endpoint of %s is %q, want %q", id, pin, want)
		}
	}
	pinned := func(id string) answer {
		return g.ask("POST", "/adapters/one/mcp", "Mcp-Session-Id", "s", "X-Test-Pin", pins[id])
	}
	wantAll := func(id string) {
		t.Helper()
		for range 5 {
			if got := pinned(id); got.status != 200 || !strings.HasPrefix(got.body, id+"\n") {
				t.Errorf("pinned to %s: %v", id, got)
			}
		}
	}
	for id := range pins {
		wantAll(id)
	}

	// A draining endpoint keeps its sessions and gets no new ones, even where
	// most are draining.
	instances[0].State, instances[1].State = adapters.InstanceDraining, adapters.InstanceDraining
	g.deployer.SetInstances(a.ID, instances...)
	g.await("r0 and r1 drain", func() bool {
		return strings.Count(string(g.envoy.AdminGet("/clusters?format=json")), `"DRAINING"`) == 2
	})
	for range 20 {
		if got := g.ask("POST", "/adapters/one/mcp"); !strings.HasPrefix(got.body, "r2\n") {
			t.Errorf("a birth landed on a draining endpoint: %v", got)
		}
	}
	for id := range pins {
		wantAll(id)
	}

	// An endpoint that is gone, or never was one of this cluster, is 404.
	g.deployer.SetInstances(a.ID, instances[1:]...)
	g.await("r0 is gone", func() bool { return pinned("r0").status == 404 })
	wantError(t, pinned("r0"), 404, -32600)
	api := base64.StdEncoding.EncodeToString([]byte(g.socket("api.sock")))
	wantError(t, g.ask("POST", "/adapters/one/mcp", "Mcp-Session-Id", "s", "X-Test-Pin", api), 404, -32600)
	wantAll("r1")
}

func TestLocalReplies(t *testing.T) {
	g := newGateway(t, nil)
	none := g.add("none")
	dead := g.addWith(adapters.RecoveryFail, "dead", adapters.Instance{ID: "d", Address: g.socket("nobody"), State: adapters.InstanceReady})
	one := g.add("one", g.replica("r"))
	g.serve("rude", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	rude := g.add("rude", adapters.Instance{ID: "rude", Address: g.socket("rude"), State: adapters.InstanceReady})
	g.startEnvoy()
	for _, a := range []adapters.Adapter{none, dead, one, rude} {
		g.awaitProgrammed(a, "True")
	}
	for _, name := range []string{"none", "dead"} {
		got := g.ask("POST", "/adapters/"+name+"/mcp")
		wantError(t, got, 503, -32603)
		if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "No replica") {
			t.Errorf("%s: %v", name, got)
		}
	}
	wantError(t, g.ask("POST", "/adapters/rude/mcp"), 502, -32603)
	wantError(t, g.ask("POST", "/adapters/one/mcp", "Host", "evil.example.com"), 421, -32600)
	// What ends before its path was read is of no endpoint.
	wantProblem(t, g.ask("POST", "/adapters/one/mcp", "X-Long", strings.Repeat("x", 70_000)), 431)

	// What the upstream and the external processor say stays as it is.
	for _, status := range []string{"400", "404", "500", "503"} {
		got := g.ask("POST", "/adapters/one/mcp", "X-Test-Status", status)
		if fmt.Sprint(got.status) != status || !strings.HasPrefix(got.body, "r\n") {
			t.Errorf("upstream's %s: %v", status, got)
		}
	}
	got := g.ask("POST", "/adapters/one/mcp", "X-Test-Refuse", "x")
	if got.status != 401 || got.body != refusal || got.header.Get("Content-Type") != "application/json" || got.header.Get("Www-Authenticate") != "Bearer" {
		t.Errorf("the external processor's refusal: %v", got)
	}

	g.extproc.server.Stop()
	got = g.ask("POST", "/adapters/one/mcp")
	wantError(t, got, 503, -32603)
	if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "inspected") {
		t.Errorf("without the external processor: %v", got)
	}
	if got := g.ask("GET", "/adapters"); got.status != 200 {
		t.Errorf("the API without the external processor: %v", got)
	}
	if err := g.api.Close(); err != nil {
		t.Fatal(err)
	}
	g.await("the API is away", func() bool { return g.ask("GET", "/adapters").status == 503 })
	wantProblem(t, g.ask("GET", "/adapters"), 503)
}
