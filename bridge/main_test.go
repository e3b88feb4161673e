package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	// modeVariable makes this test binary behave as a server of that kind.
	modeVariable = "BRIDGE_TEST_MODE"
	// everythingPackage is the SDK's reference server.
	everythingPackage = "github.com/modelcontextprotocol/go-sdk/conformance/everything-server"
)

// everything is the built reference server.
var everything string

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		play(mode)
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "bridge")
	if err != nil {
		panic(err)
	}
	everything = filepath.Join(dir, "everything-server")
	if out, err := exec.Command("go", "build", "-o", everything, everythingPackage).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the reference server: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// play is what the servers of this binary do.
func play(mode string) {
	switch mode {
	case "broken":
		fmt.Fprintln(os.Stderr, "usage: broken --token TOKEN")
		os.Exit(2)
	case "silent":
		fmt.Fprintln(os.Stderr, "loading the model")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "mute":
		time.Sleep(time.Hour)
	case "crashes":
		serveStdio(func(method string) string {
			if method == "tools/call" {
				os.Exit(9)
			}
			return `{"tools":[]}`
		})
	case "unborn":
		unborn()
	case "shows":
		serveStdio(func(string) string { return shown() })
	case "slow":
		slow()
	case "old":
		serveEra("2025-11-25", "2025-06-18")
	case "new":
		serveEra("2026-07-28")
	case "bridge":
		cfg := defaults(os.Getenv("BRIDGE_TEST_DIR"))
		cfg.SessionRecovery = recoveryResume
		cfg.Command, cfg.Instance = os.Getenv("BRIDGE_TEST_COMMAND"), os.Getenv("BRIDGE_TEST_INSTANCE")
		if err := run(context.Background(), cfg, os.Environ(), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "refuses":
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(`{"jsonrpc":"2.0","id":"probe","error":{"code":-32602,"message":"no"}}`)
		}
	}
}

// defaults is the configuration of a bridge that keeps all its files in dir.
func defaults(dir string) Config {
	return Config{
		Listen: "unix:" + filepath.Join(dir, "s"), LogFile: filepath.Join(dir, "log"), LogMaxBytes: 1 << 20,
		DrainTimeout: time.Minute, MaxSessions: 100, MaxInFlight: 100, SessionLifetime: time.Hour, ServerLogLines: 50, IdleTimeout: time.Minute,
		StartTimeout: time.Minute, ResponseTimeout: time.Minute, MaxBodyBytes: 4 << 20, MaxLineBytes: 16 << 20,
		SessionRecovery: "fail",
		StateDir:        filepath.Join(dir, "state"), WorkDir: filepath.Join(dir, "work"), AllowLoopback: true,
	}
}

// dialSocket reaches the bridge of that folder, whatever the URL says.
func dialSocket(dir string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}
}

// running is a bridge under test.
type running struct {
	t       *testing.T
	url     string // ends without a slash
	client  *http.Client
	signals chan os.Signal
	done    chan error
	logFile string
}

// start runs a bridge in this process with the configuration that change makes
// of the defaults. It listens at a Unix socket.
func start(t *testing.T, environ []string, change func(*Config)) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	cfg := defaults(dir)
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	transport := dialSocket(dir)
	b := &running{
		t: t, url: "http://bridge", client: &http.Client{Transport: transport},
		signals: make(chan os.Signal, 2), done: make(chan error, 1), logFile: cfg.LogFile,
	}
	go func() { b.done <- run(context.Background(), cfg, environ, b.signals) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		b.stop()
		if t.Failed() {
			log, _ := os.ReadFile(b.logFile)
			t.Logf("log of the bridge:\n%s", log)
		}
		_ = os.RemoveAll(dir)
		b.noChildren()
	})
	return b
}

// stop ends the bridge at once, if it still runs.
func (b *running) stop() {
	b.t.Helper()
	b.signals <- os.Interrupt
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Errorf("the bridge ended with %v", err)
		}
		b.done <- nil
	case <-time.After(15 * time.Second):
		b.t.Fatal("the bridge does not end")
	}
}

// noChildren fails the test when this process has any child left.
func (b *running) noChildren() {
	b.t.Helper()
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		b.t.Errorf("a child is left: pid %d, %v", pid, err)
	}
}

// readiness is the answer of /readyz.
type readiness struct {
	Code                         int
	State, Reason, Message       string
	Sessions, InFlight, Restarts int
	Tools                        []string
}

func (b *running) ready() (r readiness) {
	b.t.Helper()
	resp, err := b.client.Get(b.url + "/readyz")
	if err != nil {
		return r
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		b.t.Fatal(err)
	}
	r.Code = resp.StatusCode
	return r
}

// awaitState waits until the bridge is in the state, or for the reason.
func (b *running) await(word string) readiness {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r := b.ready()
		if r.State == word || r.Reason == word {
			return r
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("never %s: %+v", word, r)
		}
	}
}

// metric is the value of a series in /metrics, or empty.
func (b *running) metric(series string) string {
	b.t.Helper()
	resp, err := b.client.Get(b.url + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return value
		}
	}
	return ""
}

// post sends one message to /mcp.
func (b *running) post(session, body string) (status int, answer, newSession string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/mcp", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header.Get("Mcp-Session-Id")
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// own configures the bridge to run this binary in the given mode.
func own(mode string) ([]string, func(*Config)) {
	// The race detector would make each exit last a second.
	return []string{modeVariable + "=" + mode, "GORACE=atexit_sleep_ms=0"}, func(c *Config) { c.Command = os.Args[0] }
}
