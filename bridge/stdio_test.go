//nolint:staticcheck // The legacy era still has sampling and logging.
package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// dial connects the SDK's client to the bridge in the legacy era.
func dial(t *testing.T, b *running, opts *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	return dialVersion(t, b, opts, "2025-11-25")
}

// dialVersion connects the SDK's client. With an empty version it tries the
// modern era first, as clients of both eras do.
func dialVersion(t *testing.T, b *running, opts *mcp.ClientOptions, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, opts)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: b.url + "/mcp", HTTPClient: b.client}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// heard is what a client was told and asked by the server.
type heard struct {
	progress chan float64
	logs     chan any
	asked    atomic.Int32
}

func (h *heard) options() *mcp.ClientOptions {
	return &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			h.progress <- r.Params.Progress
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) { h.logs <- r.Params.Data },
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			h.asked.Add(1)
			return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "sampled"}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			h.asked.Add(1)
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "n", "username": "u", "email": "e@x"}}, nil
		},
	}
}

func TestReferenceServer(t *testing.T) {
	b := start(t, nil, func(c *Config) { c.Command = everything })
	ready := b.await("Ready")
	h := &heard{progress: make(chan float64, 10), logs: make(chan any, 10)}
	session := dial(t, b, h.options())
	defer func() { _ = session.Close() }()
	if got := session.InitializeResult().ProtocolVersion; got != "2025-11-25" {
		t.Errorf("version %s", got)
	}
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) < 10 {
		t.Fatalf("%d tools, %v", len(tools.Tools), err)
	}
	// The probe has asked for them.
	if len(ready.Tools) != len(tools.Tools) || !slices.Contains(ready.Tools, tools.Tools[0].Name) {
		t.Errorf("it is ready with the tools %q", ready.Tools)
	}
	call := func(name string, args map[string]any) *mcp.CallToolResult {
		t.Helper()
		params := &mcp.CallToolParams{Name: name, Arguments: args}
		params.SetProgressToken("token of " + name)
		result, err := session.CallTool(t.Context(), params)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return result
	}
	call("test_tool_with_progress", nil)
	for _, want := range []float64{0, 50, 100} {
		if got := <-h.progress; got != want {
			t.Errorf("progress %v, want %v", got, want)
		}
	}
	call("test_sampling", map[string]any{"prompt": "p"})
	call("test_elicitation", map[string]any{"message": "m"})
	if n := h.asked.Load(); n != 2 {
		t.Errorf("the server asked %d times", n)
	}
	if result := call("test_error_handling", nil); !result.IsError {
		t.Error("the tool's error is lost")
	}
	if err := session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
		t.Fatal(err)
	}
	call("test_tool_with_logging", nil)
	for range 3 {
		<-h.logs
	}
	if r := b.ready(); r.Sessions != 1 || r.InFlight != 0 {
		t.Errorf("readiness %+v", r)
	}
}

func TestReferenceServerInTheModernEra(t *testing.T) {
	for _, process := range []string{"isolated", "shared"} {
		t.Run(process, func(t *testing.T) {
			b := start(t, nil, func(c *Config) { c.Command, c.Process = everything, process })
			b.await("Ready")
			h := &heard{progress: make(chan float64, 10), logs: make(chan any, 10)}
			session := dialVersion(t, b, h.options(), "")
			defer func() { _ = session.Close() }()
			if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
				t.Errorf("version %s", got)
			}
			params := &mcp.CallToolParams{Name: "test_tool_with_progress"}
			params.SetProgressToken("token")
			if _, err := session.CallTool(t.Context(), params); err != nil {
				t.Fatal(err)
			}
			for _, want := range []float64{0, 50, 100} {
				if got := <-h.progress; got != want {
					t.Errorf("progress %v, want %v", got, want)
				}
			}
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_input_required_result_elicitation"})
			if err != nil || result.IsError || h.asked.Load() != 1 {
				t.Errorf("eliciting gives %+v, %v after %d questions", result, err, h.asked.Load())
			}
			if r := b.ready(); r.Sessions != 0 {
				t.Errorf("readiness %+v", r)
			}
		})
	}
}

func TestSessionsShareAProcess(t *testing.T) {
	b := start(t, nil, func(c *Config) { c.Command, c.Process = everything, processShared })
	b.await("Ready")
	var sessions []*mcp.ClientSession
	for range 3 {
		sessions = append(sessions, dial(t, b, nil))
	}
	for _, session := range sessions {
		if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_simple_text"}); err != nil {
			t.Error(err)
		}
	}
	if got := b.metric(`mooring_bridge_child_starts_total{reason="session"}`); got != "1" {
		t.Errorf("%s processes were started", got)
	}
	for _, session := range sessions {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSessionsHaveProcessesOfTheirOwn(t *testing.T) {
	b := start(t, nil, func(c *Config) { c.Command = everything })
	b.await("Ready")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			session := dial(t, b, nil)
			for range 20 {
				if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_simple_text"}); err != nil {
					t.Error(err)
				}
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if r := b.ready(); r.Sessions != 0 || r.InFlight != 0 {
		t.Errorf("after all were closed: %+v", r)
	}
}

func TestDrain(t *testing.T) {
	b := start(t, nil, func(c *Config) { c.Command = everything })
	b.await("Ready")
	session := dial(t, b, nil)
	b.signals <- syscall.SIGTERM
	if r := b.await("Draining"); r.Code != 503 || r.Sessions != 1 {
		t.Errorf("readiness %+v", r)
	}
	if status, answer, _ := b.post("", initialize); status != 503 || !strings.Contains(answer, "no new sessions") {
		t.Errorf("initialize gives %d %s", status, answer)
	}
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_simple_text"}); err != nil {
		t.Errorf("the open session: %v", err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-b.done:
		if err != nil {
			t.Error(err)
		}
		b.done <- nil
	case <-time.After(15 * time.Second):
		t.Error("the drained bridge does not end")
	}
}

func TestStopWithSessionsOpen(t *testing.T) {
	b := start(t, nil, func(c *Config) { c.Command = everything })
	b.await("Ready")
	for range 3 {
		if status, answer, _ := b.post("", initialize); status != 200 {
			t.Fatalf("initialize gives %d %s", status, answer)
		}
	}
	begin := time.Now()
	b.stop()
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("stopping took %v", took)
	}
}
