package soak

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

const (
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"soak","version":"1"}}}`
	who        = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"who","arguments":{}}}`
)

// bridge is a bridge in a process of its own, with the test server.
type bridge struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	client *http.Client
}

func startBridge(t *testing.T) *bridge {
	t.Helper()
	b := &bridge{t: t, dir: envoytest.SocketDir(t)}
	b.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return b.dial() }, MaxIdleConnsPerHost: 2,
	}}
	b.begin()
	t.Cleanup(func() {
		if b.cmd.ProcessState == nil {
			_ = b.cmd.Process.Kill()
			_ = b.cmd.Wait()
		}
	})
	return b
}

func (b *bridge) begin() {
	b.t.Helper()
	b.cmd = exec.Command(harness.Program(b.t, "bridge"), "--listen", "unix:"+filepath.Join(b.dir, "s"),
		"--state-dir", filepath.Join(b.dir, "state"), "--log-file", filepath.Join(b.dir, "log"), "--log-level", "error",
		"--idle-timeout", "2s", "--drain-timeout", "1s")
	b.cmd.Env = append(os.Environ(), "MCP_COMMAND="+harness.Program(b.t, "testserver"), "GORACE=atexit_sleep_ms=0")
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	harness.Await(b.t, "the bridge is ready", 30*time.Second, func() bool {
		res, err := b.client.Get("http://bridge/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (b *bridge) dial() (net.Conn, error) { return net.Dial("unix", filepath.Join(b.dir, "s")) }

// killBridge ends it with SIGKILL and begins another.
func (b *bridge) killBridge() {
	b.t.Helper()
	servers := b.children()
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait() // it was killed: that is no news
	b.client.CloseIdleConnections()
	harness.Await(b.t, "its servers are gone", 10*time.Second, func() bool { return !slices.ContainsFunc(servers, harness.Alive) })
	b.begin()
}

// end ends it in order, and fails the test where a server is left.
func (b *bridge) end() {
	b.t.Helper()
	servers := b.children()
	if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("the bridge ended: %v", err)
	}
	for _, pid := range servers {
		if harness.Alive(pid) {
			b.t.Errorf("server %d is left", pid)
		}
	}
}

// children are the processes that the bridge started, and those that they did.
func (b *bridge) children() []int {
	return slices.DeleteFunc(harness.Descendants(b.cmd.Process.Pid), func(pid int) bool { return pid == b.cmd.Process.Pid })
}

// send sends a request of a session; the answer is the caller's to close.
func (b *bridge) send(method, id, body string) (*http.Response, error) {
	req, err := http.NewRequest(method, "http://bridge/mcp", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if id != "" {
		req.Header.Set("Mcp-Session-Id", id)
	}
	return b.client.Do(req)
}

// open begins a session. A server that was killed before it answered is tried
// again.
func (b *bridge) open() (id string, err error) {
	for range 10 {
		res, err := b.send(http.MethodPost, "", initialize)
		if err != nil {
			return "", err
		}
		_ = res.Body.Close()
		if id := res.Header.Get("Mcp-Session-Id"); res.StatusCode == http.StatusOK && id != "" {
			return id, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("no session begins")
}

func (b *bridge) mustOpen() string {
	b.t.Helper()
	id, err := b.open()
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// answers fails the test unless the session answers a call.
func (b *bridge) answers(id string) {
	b.t.Helper()
	res, err := b.send(http.MethodPost, id, who)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), `"result"`) {
		b.t.Errorf("a session that was not ended: status %d: %s, error %v", res.StatusCode, text, err)
	}
}

// usage is what a bridge has of the machine.
type usage struct{ sessions, children, files, goroutines int }

func (b *bridge) usage() usage {
	b.t.Helper()
	u := usage{children: len(b.children())}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	u.files = len(files)
	res, err := b.client.Get("http://bridge/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "mooring_bridge_sessions_active":
			u.sessions = int(n)
		case "go_goroutines":
			u.goroutines = int(n)
		}
	}
	return u
}

// await waits until what the bridge has is as wanted. Sessions that were not
// ended lose their process meanwhile, and go on with another when they are used.
func (b *bridge) await(what string, wanted func(usage) bool) {
	b.t.Helper()
	harness.Await(b.t, what, 30*time.Second, func() bool { return wanted(b.usage()) })
}
