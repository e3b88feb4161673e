package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// gateway is a real Envoy before two upstream servers, and an extproc.
type gateway struct {
	*processor
	envoy  *envoytest.Envoy
	client *http.Client
	// upstreams are the two replicas of adapter a.
	upstreams [2]*upstream
}

// route is one route in the template.
type route struct{ Name, Path, Kind, Cluster, Policy, BodyMode, ResponseHeaders, ResponseBody string }

func newGateway(t *testing.T, args ...string) *gateway {
	t.Helper()
	return newGatewayWith(t, "60s", args...)
}

// newGatewayWith is newGateway with another time in which requests must arrive,
// and arguments for extproc.
func newGatewayWith(t *testing.T, requestTimeout string, args ...string) *gateway {
	t.Helper()
	g := &gateway{processor: newProcessor(t, args...)}
	var sockets []string
	for i := range g.upstreams {
		g.upstreams[i] = newUpstream(t, fmt.Sprintf("u%d", i))
		sockets = append(sockets, g.upstreams[i].socket)
	}
	var routes []route
	for _, adapter := range []contract.Policy{
		{Adapter: "a", UID: "uida", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}},
		{Adapter: "b", UID: "uidb", Version: "1", CreatedBy: "ann"},
		{Adapter: "rated", UID: "uidl", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Limits: &adapters.TrafficLimits{RequestsPerSecond: 5, RequestsPerSecondPerPrincipal: 3}},
		{Adapter: "held", UID: "uidh", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Limits: &adapters.TrafficLimits{ConcurrentRequestsPerPrincipal: 2}},
		{Adapter: "small", UID: "uids", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Limits: &adapters.TrafficLimits{RequestBodyBytes: 1000}},
		{Adapter: "streams", UID: "uidt", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Limits: &adapters.TrafficLimits{ConcurrentStreams: 3, ConcurrentStreamsPerPrincipal: 2}},
		{Adapter: "ruled", UID: "uidr", Version: "1", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Tools: toolRules},
		{Adapter: "reruled", UID: "uidr", Version: "2", CreatedBy: "ann", RequiredRoles: []string{"reader"}, Tools: &adapters.ToolRules{Deny: []string{"*"}}},
	} {
		for _, kind := range []contract.Route{contract.RouteSession, contract.RouteModern, contract.RouteBirth} {
			adapter.Route = kind
			r := route{
				Name: adapter.Adapter + "/" + string(kind), Path: "/adapters/" + adapter.Adapter + "/mcp", Kind: string(kind),
				Cluster: "adapter/a", Policy: adapter.Encode(), BodyMode: "STREAMED", ResponseHeaders: "SEND", ResponseBody: "NONE",
			}
			switch {
			case adapter.Tools != nil:
				r.ResponseBody = "STREAMED"
			case kind == contract.RouteModern:
				r.ResponseHeaders = "SKIP"
			}
			routes = append(routes, r)
		}
	}
	buffered := contract.Policy{Adapter: "a", UID: "uida", CreatedBy: "ann", Route: contract.RouteBirth}.Encode()
	unfiltered := contract.Policy{Adapter: "a", UID: "uida", CreatedBy: "ann", Route: contract.RouteBirth, Tools: toolRules}.Encode()
	routes = append(routes,
		route{Name: "no-policy", Path: "/no-policy", Cluster: "adapter/a"},
		route{Name: "buffered", Path: "/buffered", Cluster: "adapter/a", Policy: buffered, BodyMode: "BUFFERED", ResponseHeaders: "SEND", ResponseBody: "NONE"},
		route{Name: "unfiltered", Path: "/unfiltered", Cluster: "adapter/a", Policy: unfiltered, BodyMode: "STREAMED", ResponseHeaders: "SEND", ResponseBody: "NONE"},
	)
	text, err := template.ParseFiles("testdata/envoy.yaml.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var bootstrap bytes.Buffer
	err = text.Execute(&bootstrap, map[string]any{"Dir": g.dir, "Socket": g.socket, "Upstreams": sockets, "RequestTimeout": requestTimeout, "Routes": routes, "LogLine": strconv.Quote(contract.LogLine())})
	if err != nil {
		t.Fatal(err)
	}
	g.envoy = envoytest.Start(t, bootstrap.Bytes(), envoytest.Args("--file-flush-interval-msec", "20"))
	transport := &http.Transport{DialContext: g.dial}
	t.Cleanup(transport.CloseIdleConnections)
	g.client = &http.Client{Transport: transport}
	return g
}

// dial connects to the public listener.
func (g *gateway) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.dir, "public.sock"))
}

// http2 is a client that speaks HTTP/2 to the gateway.
func (g *gateway) http2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: g.dial, Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// seen is what the upstream saw, as it says itself.
func (a answer) seen(t *testing.T) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.status != http.StatusOK {
		t.Fatalf("not an answer of an upstream: %d %s", a.status, a.body)
	}
	return s
}

// rpcError is the code of a JSON-RPC error and the id that it is for.
func (a answer) rpcError(t *testing.T) (code int, id string) {
	t.Helper()
	var e struct {
		JSONRPC string
		ID      json.RawMessage
		Error   struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.JSONRPC != "2.0" || e.Error.Message == "" {
		t.Fatalf("not a JSON-RPC error: %d %q", a.status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return e.Error.Code, string(e.ID)
}

// do sends a request to adapter a. Headers are pairs of name and value.
func (g *gateway) do(t *testing.T, method, body string, headers ...string) answer {
	t.Helper()
	return g.doAt(t, "/adapters/a/mcp", method, body, headers...)
}

func (g *gateway) doAt(t *testing.T, path, method, body string, headers ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	return g.send(t, g.request(t, path, method, reader, headers...))
}

func (g *gateway) request(t *testing.T, path, method string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Content-Type" {
			r.Header.Del("Content-Type")
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (g *gateway) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`

// initialize opens a session and returns its id.
func (g *gateway) initialize(t *testing.T, headers ...string) string {
	t.Helper()
	a := g.do(t, http.MethodPost, initialize, headers...)
	id := a.header.Get("Mcp-Session-Id")
	if a.status != http.StatusOK || strings.Count(id, ".") != 2 {
		t.Fatalf("initialize: %d, session %q, body %s", a.status, id, a.body)
	}
	return id
}

// accessLog waits for a request in the access log of which enough was told.
func (g *gateway) accessLog(t *testing.T, enough func(j contract.Judged) bool) {
	t.Helper()
	eventually(t, "the access log has the request", func() bool {
		text, err := os.ReadFile(filepath.Join(g.dir, "access.log"))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(text)) {
			var entry struct{ Judged string }
			if json.Unmarshal([]byte(line), &entry) != nil {
				continue
			}
			if judged, ok := contract.DecodeJudged(entry.Judged); ok && enough(judged) {
				return true
			}
		}
		return false
	})
}
