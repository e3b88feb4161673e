package remote_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

// oldServer is a server of the SDK that speaks the transport of 2024-11-05 only.
// Its tool asks the user, and reports progress.
func oldServer() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "old", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		if token := r.Params.GetProgressToken(); token != nil {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1}); err != nil {
				return nil, nil, err
			}
		}
		answer, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "Who?"})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "Hello, " + answer.Action}}}, nil, nil
	})
	sse := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Query().Get("sessionid") == "" {
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		sse.ServeHTTP(w, r)
	})
}

// oldBridge is a bridge in front of the server that speaks either transport.
func oldBridge(t *testing.T, target string, change func(*remote.Config)) (*remote.Proxy, string) {
	t.Helper()
	var p *remote.Proxy
	handler := mcphttp.New(mcphttp.Config{
		Start: func() (mcphttp.Child, error) { return p.NewOld(), nil },
		StartModern: func(capabilities []byte) (mcphttp.Child, error) {
			return translate.NewModern(p.NewOld(), translate.Options{Capabilities: capabilities, Log: slog.New(slog.DiscardHandler)}), nil
		},
		Bound: translate.Bound, Log: slog.New(slog.DiscardHandler),
	}, prometheus.NewRegistry())
	p, url := bridge(t, target, func(c *remote.Config) {
		c.Old = handler
		if change != nil {
			change(c)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- handler.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, url
}

func TestOldServersAreSpokenTo(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			_, target := oldBridge(t, upstream(t, oldServer().ServeHTTP), nil)
			progress := make(chan float64, 1)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept"}, nil
				},
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
			})
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: target + "/mcp"}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			params := &mcp.CallToolParams{Name: "greet"}
			params.SetProgressToken("p")
			result, err := session.CallTool(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "Hello, accept" {
				t.Errorf("got %v", result.Content[0])
			}
			select {
			case <-progress:
			case <-time.After(10 * time.Second):
				t.Error("no progress")
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusalsOfOthersPass(t *testing.T) {
	var gets atomic.Int32
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		status  int
		body    string
	}{
		"no stream": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				gets.Add(1)
			}
			http.Error(w, "nothing here", http.StatusNotFound)
		}, 404, "nothing here"},
		"an endpoint elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte("event: endpoint\ndata: http://169.254.169.254/latest\n\n"))
				return
			}
			http.Error(w, "refused", http.StatusMethodNotAllowed)
		}, 405, "refused"},
		"another event": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte("data: /m\n\n"))
				return
			}
			http.Error(w, "refused", http.StatusBadRequest)
		}, 400, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, target := oldBridge(t, upstream(t, test.handler), nil)
			for range 2 {
				resp, body := post(t, target, hello, typed...)
				if resp.StatusCode != test.status || !strings.Contains(body, test.body) {
					t.Errorf("got %d %s", resp.StatusCode, body)
				}
			}
		})
	}
	if gets.Load() != 1 {
		t.Errorf("the server was asked %d times whether it is old", gets.Load())
	}
}

// TestOldServerIsReplaced: a server that speaks streamable HTTP takes the place
// of an old one.
func TestOldServerIsReplaced(t *testing.T) {
	var handler atomic.Pointer[http.Handler]
	set := func(h http.Handler) { handler.Store(&h) }
	set(oldServer())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	_, target := oldBridge(t, server.URL, nil)
	born(t, target)
	server.CloseClientConnections()
	young := mcp.NewServer(&mcp.Implementation{Name: "young", Version: "1"}, nil)
	defer func() {
		for s := range young.Sessions() {
			_ = s.Close()
		}
	}()
	set(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return young }, nil))
	for deadline := time.Now().Add(10 * time.Second); ; {
		resp, body := post(t, target, hello, typed...)
		if resp.StatusCode == 200 && strings.Contains(body, `"young"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d %s", resp.StatusCode, body)
		}
	}
}

// tokens is a source of numbered tokens, of which the server takes the last.
type tokens struct {
	mu  sync.Mutex
	now string
}

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, nil
}

func (s *tokens) Refused(string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = "second"
	return true
}

// TestWorkloadIdentity: the token goes to the server with every request, in the
// place of what the client sent, and is replaced when it is not taken.
func TestWorkloadIdentity(t *testing.T) {
	old := oldServer()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer second" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		old.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	source := &tokens{now: "first"}
	_, target := oldBridge(t, server.URL, func(c *remote.Config) {
		c.TLS, c.Tokens = &tls.Config{RootCAs: roots}, source
	})
	id := born(t, target, "Authorization: Bearer client's")
	if resp, body := post(t, target, list, in(id)...); resp.StatusCode != 200 || !strings.Contains(body, "greet") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if resp := do(t, http.MethodDelete, target, in(id)...); resp.StatusCode != 204 {
		t.Errorf("got %d", resp.StatusCode)
	}
}
