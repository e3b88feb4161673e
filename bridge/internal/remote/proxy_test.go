package remote_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bridge is a proxy in front of the server at target.
func bridge(t *testing.T, target string, change func(*remote.Config)) (*remote.Proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	cfg := remote.Config{URL: u, Policy: launch.URLPolicy{AllowLoopback: true}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	p := remote.New(cfg)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		// Ends what Watch would end.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Watch(ctx, &health.Health{}); err != nil {
			t.Error(err)
		}
	})
	return p, server.URL
}

func upstream(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func post(t *testing.T, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestSDKSessionGoesThrough(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "count"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		for i := range 3 {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "3"}}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	p, target := bridge(t, upstream(t, handler.ServeHTTP), nil)
	progress := make(chan float64, 3)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			progress <- r.Params.Progress
		},
	})
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: target + "/mcp"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	params := &mcp.CallToolParams{Name: "count"}
	params.SetProgressToken("p")
	if _, err := session.CallTool(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	for want := range 3 {
		if got := <-progress; got != float64(want) {
			t.Errorf("progress %v, want %v", got, want)
		}
	}
	if n := p.Sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if n := p.Sessions(); n != 0 {
		t.Errorf("%d sessions after the end", n)
	}
}

func TestHeaders(t *testing.T) {
	var got http.Header
	var path, host string
	remoteURL := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got, path, host = r.Header, r.URL.String(), r.Host
		w.Header().Set("X-Mooring-Endpoint", "evil")
		w.Header().Set("X-Kept", "yes")
	})
	_, target := bridge(t, remoteURL+"/some/mcp?key=k", nil)
	resp, _ := post(t, target+"/mcp?other=1", "{}", "Authorization: Bearer secret", "Cookie: a=b", "X-Api-Key: secret", "Origin: http://localhost:8080",
		"X-Mooring-Principal: p", "X-Forwarded-For: 10.0.0.1", "X-Envoy-Original-Path: /x",
		"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Param-X: 1")
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "Origin", "X-Mooring-Principal", "X-Forwarded-For", "X-Envoy-Original-Path"} {
		if got.Get(name) != "" {
			t.Errorf("%s was passed on", name)
		}
	}
	for _, name := range []string{"Mcp-Protocol-Version", "Mcp-Method", "Mcp-Param-X"} {
		if got.Get(name) == "" {
			t.Errorf("%s was lost", name)
		}
	}
	if path != "/some/mcp?key=k" || "http://"+host != remoteURL {
		t.Errorf("asked %s of %s", path, host)
	}
	if resp.Header.Get("X-Mooring-Endpoint") != "" || resp.Header.Get("X-Kept") != "yes" {
		t.Errorf("answer has %v", resp.Header)
	}
}

// TestLength holds that a message that came in chunks goes on with its length.
func TestLength(t *testing.T) {
	for _, message := range []string{"", `{"jsonrpc":"2.0","id":1,"method":"ping"}`} {
		_, target := bridge(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != message || r.ContentLength != int64(len(message)) || len(r.TransferEncoding) != 0 {
				t.Errorf("%q (%v) of length %d, %v", got, err, r.ContentLength, r.TransferEncoding)
			}
		}), nil)
		// A reader of unknown length is sent in chunks.
		resp, err := http.Post(target, "application/json", io.MultiReader(strings.NewReader(message)))
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnswersAreUntouched(t *testing.T) {
	_, target := bridge(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"v"}}`)
	}), nil)
	resp, body := post(t, target, `{}`)
	if resp.StatusCode != 400 || !strings.Contains(body, "-32022") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestFailures(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	_ = listener.Close()
	hang := make(chan struct{})
	defer close(hang)
	tests := map[string]struct {
		url    string
		change func(*remote.Config)
		status int
	}{
		"refused":     {closed, nil, 503},
		"unknown":     {"http://no-such-host.invalid/mcp", nil, 503},
		"not allowed": {closed, func(c *remote.Config) { c.Policy = launch.URLPolicy{} }, 502},
		"redirect": {upstream(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusTemporaryRedirect)
		}), nil, 502},
		"credentials": {upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}), nil, 502},
		"hang up": {upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil, 502},
		"silence": {upstream(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}), func(c *remote.Config) { c.ResponseTimeout = 50 * time.Millisecond }, 504},
		"too large":    {closed, func(c *remote.Config) { c.MaxBody = 10 }, 413},
		"not admitted": {closed, func(c *remote.Config) { c.Admit = func() (string, bool) { return "no", false } }, 503},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, target := bridge(t, test.url, test.change)
			resp, body := post(t, target, `{"jsonrpc":"2.0","id":"x","method":"tools/list"}`)
			m, err := jsonrpc.Parse([]byte(body))
			if resp.StatusCode != test.status || err != nil || !m.Failed {
				t.Errorf("got %d %s, want %d", resp.StatusCode, body, test.status)
			}
			if resp.Header.Get("WWW-Authenticate") != "" {
				t.Error("the challenge was passed on")
			}
			if strings.Contains(body, "127.0.0.1") || strings.Contains(body, "169.254") {
				t.Errorf("the answer shows an address: %s", body)
			}
			if sent := name == "hang up" || name == "silence" || name == "redirect"; sent && m.ID != `"x` {
				t.Errorf("the answer has another id: %s", body)
			}
		})
	}
}
