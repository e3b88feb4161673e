package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

// forgetful is a server that can lose all its sessions.
type forgetful struct {
	url     string
	handler atomic.Pointer[mcp.StreamableHTTPHandler]
	server  *mcp.Server
	levels  chan string
	calls   atomic.Int32
}

func startForgetful(t *testing.T, opts *mcp.StreamableHTTPOptions) *forgetful {
	t.Helper()
	f := &forgetful{levels: make(chan string, 9)}
	f.server = mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   func(_ context.Context, r *mcp.SubscribeRequest) error { f.levels <- r.Params.URI; return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	f.server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
			if p, ok := r.GetParams().(*mcp.SetLoggingLevelParams); ok {
				f.levels <- string(p.Level)
			}
			return next(ctx, method, r)
		}
	})
	f.server.AddResource(&mcp.Resource{Name: "r", URI: "test://r"}, nil)
	mcp.AddTool(f.server, &mcp.Tool{Name: "count"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(f.calls.Add(1))}}}, nil, nil
	})
	f.lose(opts)
	f.url = upstream(t, func(w http.ResponseWriter, r *http.Request) { f.handler.Load().ServeHTTP(w, r) })
	t.Cleanup(func() { // before the server waits for its streams
		for s := range f.server.Sessions() {
			_ = s.Close()
		}
	})
	return f
}

func (f *forgetful) lose(opts *mcp.StreamableHTTPOptions) {
	for s := range f.server.Sessions() {
		_ = s.Close()
	}
	f.handler.Store(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return f.server }, opts))
}

// events counts what happened to sessions.
type events struct {
	mu  sync.Mutex
	got map[string]int
}

func (e *events) add(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got[event]++
}

func (e *events) count(event string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got[event]
}

// keeping makes sessions outlive the server's.
func keeping(t *testing.T, dir string, counted *events) func(*remote.Config) {
	t.Helper()
	keeper, err := recovery.Open(bytes.Repeat([]byte("k"), 32), dir)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *remote.Config) {
		c.Recovery = keeper
		if counted != nil {
			counted.got = map[string]int{}
			c.Event = counted.add
		}
	}
}
