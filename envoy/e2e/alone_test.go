package e2e

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// TestBridgeAlone runs the bridge as docs/how-to/bridge-alone.md has it: nothing
// but environment variables, no gateway, clients of both eras.
func TestBridgeAlone(t *testing.T) {
	address := envoytest.FreeAddress(t)
	cmd := exec.Command(harness.Program(t, "bridge"))
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir,
		"MCP_LISTEN=" + address, "MCP_COMMAND=" + harness.Program(t, "testserver"), "MCP_ARGS=-x 'two words'",
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	answers := func(path string, status int) bool {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == status
	}
	harness.Await(t, "the bridge is ready", 30*time.Second, func() bool { return answers("/readyz", http.StatusOK) })
	for _, path := range []string{"/healthz", "/metrics"} {
		if !answers(path, http.StatusOK) {
			t.Errorf("%s does not answer", path)
		}
	}
	for _, version := range []string{harness.Legacy, harness.Modern} {
		client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
		session, err := client.Connect(limited(t, 20*time.Second), &mcp.StreamableClientTransport{Endpoint: "http://" + address + "/mcp"},
			&mcp.ClientSessionOptions{ProtocolVersion: version})
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		if got, err := harness.Call(limited(t, 20*time.Second), session, "echo", map[string]any{"text": "alone"}); err != nil || got != "alone" {
			t.Errorf("%s: echo answers %q, %v", version, got, err)
		}
		if err := session.Close(); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the bridge ended with %v: %s", err, log.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the bridge does not end")
	}
}

// TestBridgeWithBlockedLog: a log that nobody reads holds up no request, and not
// the end either.
func TestBridgeWithBlockedLog(t *testing.T) {
	address := envoytest.FreeAddress(t)
	cmd := exec.Command(harness.Program(t, "bridge"), "--log-level", "debug")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TESTSERVER_SAY=much",
		"MCP_LISTEN=" + address, "MCP_COMMAND=" + harness.Program(t, "testserver"),
	}
	cmd.Stderr = fullPipe(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	harness.Await(t, "the bridge is ready", 30*time.Second, func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
	session, err := client.Connect(limited(t, 20*time.Second), &mcp.StreamableClientTransport{Endpoint: "http://" + address + "/mcp"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if got, err := harness.Call(limited(t, 20*time.Second), session, "echo", map[string]any{"text": "said"}); err != nil || got != "said" {
			t.Fatalf("echo answers %q, %v", got, err)
		}
	}
	if err := errors.Join(session.Close(), cmd.Process.Signal(os.Interrupt)); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the bridge does not end")
	}
}

// fullPipe is a pipe that takes nothing more, and that nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close()
		_ = r.Close()
	})
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := w.Write(make([]byte, 4096)); errors.Is(err, os.ErrDeadlineExceeded) {
			return w
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBridgeAloneSaysWhatIsWrong: settings that cannot be are refused at the
// start, with the reason.
func TestBridgeAloneSaysWhatIsWrong(t *testing.T) {
	for want, environment := range map[string][]string{
		"nothing to run":             nil,
		"exclude each other":         {"MCP_COMMAND=npx", "MCP_PROXY_URL=https://server.example/mcp"},
		"more than 64 arguments":     {"MCP_COMMAND=npx", "MCP_ARGS=" + strings.Repeat("a ", 65)},
		"longer than 512 characters": {"MCP_COMMAND=npx", "MCP_ARGS=" + strings.Repeat("a", 513)},
		"line break":                 {"MCP_COMMAND=npx", "MCP_ARGS='a\nb'"},
		"must begin with http":       {"MCP_PROXY_URL=ftp://server.example"},
		"metadata":                   {"MCP_PROXY_URL=http://169.254.169.254/mcp"},
	} {
		cmd := exec.Command(harness.Program(t, "bridge"))
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%.60q: %v, %s; want %s", environment, err, out, want)
		}
	}
}
