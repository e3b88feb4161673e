package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetricsPassTheLinter looks at all that a bridge tells after a call, of a
// server that it runs and of one elsewhere.
func TestMetricsPassTheLinter(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "far", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "test_simple_text"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{}, nil, nil
	})
	far := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(far.Close)
	for name, change := range map[string]func(*Config){
		"stdio":     func(c *Config) { c.Command = everything },
		"elsewhere": func(c *Config) { c.ProxyURL = far.URL },
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil, change)
			b.await("Ready")
			session := dial(t, b, nil)
			if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_simple_text"}); err != nil {
				t.Fatal(err)
			}
			if err := session.Close(); err != nil {
				t.Fatal(err)
			}
			text := b.metrics()
			for _, want := range []string{
				`mooring_bridge_tool_calls_total{outcome="ok",tool="test_simple_text"} 1`,
				`mooring_bridge_tool_call_duration_seconds_count{tool="test_simple_text"} 1`,
				`mooring_bridge_sessions_total{event="started"} 1`,
			} {
				if !strings.Contains(text, want+"\n") {
					t.Errorf("%s is not told", want)
				}
			}
			problems, err := promlint.New(strings.NewReader(text)).Lint()
			if err != nil || len(problems) > 0 {
				t.Errorf("%v, error %v", problems, err)
			}
		})
	}
}

// metrics is what the bridge tells Prometheus.
func (b *running) metrics() string {
	b.t.Helper()
	resp, err := b.client.Get(b.url + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}
