package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestSessionSurvivesItsProcess kills the server under a session.
func TestSessionSurvivesItsProcess(t *testing.T) {
	environ, command := own("crashes")
	b := start(t, environ, func(c *Config) { command(c); c.SessionRecovery = recoveryResume })
	b.await("Ready")
	_, _, session := b.post("", initialize)
	for range 3 {
		status, answer, _ := b.post(session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		if status != 200 || !strings.Contains(answer, `"id":2,"error"`) || !strings.Contains(answer, "exited with code 9") {
			t.Errorf("the call gives %d %s", status, answer)
		}
		status, answer, fresh := b.post(session, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
		if status != 200 || answer != `{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}` || fresh != "" {
			t.Errorf("a later call gives %d %s", status, answer)
		}
	}
	if got := b.metric(`mooring_bridge_sessions_total{event="recovered"}`); got != "3" {
		t.Errorf("%s recoveries are counted", got)
	}
	if status := b.delete(session); status != http.StatusNoContent {
		t.Errorf("DELETE gives %d", status)
	}
	if status, _, _ := b.post(session, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); status != 404 {
		t.Errorf("the ended session gives %d", status)
	}
}

func (b *running) delete(session string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodDelete, b.url+"/mcp", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Mcp-Session-Id", session)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

// begin starts a bridge as a process of its own, with its files in dir.
func begin(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{modeVariable + "=bridge", "BRIDGE_TEST_DIR=" + dir, "BRIDGE_TEST_COMMAND=" + everything}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// kill kills a bridge, and waits for it and for its servers, which end with it.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil {
			return
		}
	}
}

// TestModernClientSurvivesTheBridge: in that era there is no session to lose.
func TestModernClientSurvivesTheBridge(t *testing.T) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	transport := dialSocket(dir)
	defer transport.CloseIdleConnections()
	b := &running{t: t, url: "http://bridge", client: &http.Client{Transport: transport}}
	first := begin(t, dir)
	b.await("Ready")
	session := dialVersion(t, b, nil, "")
	if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
		t.Errorf("version %s", got)
	}
	call := &mcp.CallToolParams{Name: "test_simple_text"}
	if _, err := session.CallTool(t.Context(), call); err != nil {
		t.Error(err)
	}
	kill(first)
	second := begin(t, dir)
	defer kill(second)
	b.await("Ready")
	if _, err := session.CallTool(t.Context(), call); err != nil {
		t.Errorf("the first request after the bridge was killed: %v", err)
	}
	for _, event := range []string{"lost", "recovered", "started"} {
		if got := b.metric(`mooring_bridge_sessions_total{event="` + event + `"}`); got != "0" {
			t.Errorf("%s sessions are counted as %s", got, event)
		}
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// TestSessionSurvivesItsBridge kills the whole bridge and starts another with
// the same folder.
func TestSessionSurvivesItsBridge(t *testing.T) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	transport := dialSocket(dir)
	defer transport.CloseIdleConnections()
	b := &running{t: t, url: "http://bridge", client: &http.Client{Transport: transport}}
	first := begin(t, dir)
	b.await("Ready")
	h := &heard{progress: make(chan float64, 10), logs: make(chan any, 10)}
	session := dial(t, b, h.options())
	if err := session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil { //nolint:staticcheck // The legacy era has it.
		t.Fatal(err)
	}
	_, _, dead := b.post("", initialize)
	if status := b.delete(dead); status != http.StatusNoContent {
		t.Errorf("DELETE gives %d", status)
	}
	_, _, alive := b.post("", initialize)
	kill(first)
	second := begin(t, dir)
	defer kill(second)
	b.await("Ready")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "test_tool_with_logging"}); err != nil {
		t.Errorf("the session after the bridge was killed: %v", err)
	}
	select {
	case <-h.logs:
	case <-ctx.Done():
		t.Error("the logging level is lost")
	}
	if status, _, _ := b.post(dead, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); status != 404 {
		t.Errorf("the session that was ended gives %d", status)
	}
	// A session without a process can be ended all the same.
	if status := b.delete(alive); status != http.StatusNoContent {
		t.Errorf("DELETE gives %d", status)
	}
	if status := b.delete(alive); status != http.StatusNotFound {
		t.Errorf("a second DELETE gives %d", status)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}
