package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// remote is a streamable HTTP server as others run them, which remembers the
// headers it was sent.
type remote struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
}

func startRemote(t *testing.T) *remote {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "ask"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		if token := req.Params.GetProgressToken(); token != nil {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1}); err != nil {
				return nil, nil, err
			}
		}
		answer, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 1, Messages: []*mcp.SamplingMessage{}})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{answer.Content}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	r := &remote{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.headers = append(r.headers, req.Header.Clone())
		r.mu.Unlock()
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

// TestRemoteServer: an adapter with MCP_PROXY_URL is used like any other, and
// the remote server sees nothing of the gateway's own or of the client's.
func TestRemoteServer(t *testing.T) {
	r := startRemote(t)
	m := harness.Start(t)
	m.Deploy(adapters.Spec{
		Name: "far", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 2, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_PROXY_URL": r.URL + "/mcp"},
	})
	progress := make(chan struct{}, 1)
	session, err := m.TryConnect(limited(t, time.Minute), "far", &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "test", Content: &mcp.TextContent{Text: "from here"}}, nil
		},
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { progress <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	params := &mcp.CallToolParams{Name: "ask", Arguments: map[string]any{}}
	params.SetProgressToken("token")
	result, err := session.CallTool(limited(t, time.Minute), params)
	if err != nil || harness.Text(result) != "from here" {
		t.Fatalf("result %v, error %v", result, err)
	}
	select {
	case <-progress:
	case <-time.After(10 * time.Second):
		t.Error("progress never came")
	}

	goesRoundInACircle(t, m)

	secret := m.Initialize("far").Post(listTools, "Authorization", "Bearer client's own", "Cookie", "a=b", "X-Dev-Roles", "mcp.admin")
	if secret.Status != http.StatusOK {
		t.Errorf("status %d: %s", secret.Status, secret.Body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, headers := range r.headers {
		for name, values := range headers {
			name = strings.ToLower(name)
			if strings.HasPrefix(name, "x-mooring-") || strings.HasPrefix(name, "x-dev-") || strings.HasPrefix(name, "x-envoy-") ||
				name == "authorization" || name == "cookie" {
				t.Errorf("the remote server got %s: %q", name, values)
			}
		}
	}
}

// goesRoundInACircle deploys a server that is a proxy of somebody else, which
// leads back to the adapter itself.
func goesRoundInACircle(t *testing.T, m *harness.Mooring) {
	t.Helper()
	third := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: m.Listen, Path: "/adapters/circle/mcp"})
		r.Out.URL.Path = "/adapters/circle/mcp"
	}})
	defer third.Close()
	m.Deploy(adapters.Spec{
		Name: "circle", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_PROXY_URL": third.URL + "/mcp"},
	})
	if answer := m.TryInitialize("circle"); answer.Status != http.StatusLoopDetected || !strings.Contains(answer.Body, `"jsonrpc":"2.0"`) {
		t.Errorf("a circle is answered %d: %s", answer.Status, answer.Body)
	}
}

func TestMetrics(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	call(t, m, "a", "who", nil)
	for of, want := range map[string]string{
		"envoy": "envoy_cluster_upstream_rq", "xds": "mooring_adapters", "extproc": "go_goroutines", "adapters/a/0": "mooring_bridge_",
	} {
		text, err := m.Metrics(of)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("metrics of %s lack %q; error %v", of, want, err)
		}
	}
	// The public listener shows none.
	for _, path := range []string{"/metrics", "/metrics/envoy", "/stats", "/config_dump", "/debug/pprof/"} {
		if answer, err := m.Do(http.MethodGet, path, ""); err != nil || answer.Status != http.StatusNotFound {
			t.Errorf("%s: status %d, error %v", path, answer.Status, err)
		}
	}
}
