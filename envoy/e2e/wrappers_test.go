package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// wrapped is a server that npx or uvx fetches and runs.
type wrapped struct {
	command, args string
	env           []string // with caches of its own
}

// alone is a bridge without the rest of Mooring.
type alone struct {
	url string
	*process.Process
}

// startAlone runs a bridge for the server until it is ready.
func startAlone(t *testing.T, server wrapped, env ...string) alone {
	t.Helper()
	dir := t.TempDir()
	free := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(free.URL, "http://")
	free.Close()
	cmd := exec.Command(harness.Program(t, "bridge"), "--listen", address, "--state-dir", filepath.Join(dir, "state"), "--work-dir", dir)
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.Env = append(append(os.Environ(), "MCP_COMMAND="+server.command, "MCP_ARGS="+server.args, "MCP_SPARES=0"), append(server.env, env...)...)
	p, err := process.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(syscall.SIGINT)
		<-p.Done()
		if t.Failed() {
			t.Logf("log of the bridge:\n%s", log.String())
		}
	})
	harness.Await(t, server.command+" serves", installTimeout, func() bool {
		res, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return alone{"http://" + address + "/mcp", p}
}

// session begins a session and returns the resident memory, in KiB, and the
// programs of the processes that it has.
func (a alone) session(t *testing.T) (kib int, programs []string) {
	t.Helper()
	ctx := limited(t, time.Minute)
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: a.url}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() }) // the bridge is about to end
	if _, err := session.ListTools(ctx, nil); err != nil {
		t.Fatal(err)
	}
	for _, pid := range harness.Descendants(a.PID()) {
		if pid == a.PID() {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
				if err != nil {
					t.Fatal(err)
				}
				kib += n
			}
			if name, ok := strings.CutPrefix(line, "Name:"); ok {
				programs = append(programs, strings.TrimSpace(name))
			}
		}
	}
	return kib, programs
}

// nowhere are the variables by which no registry can be reached.
func nowhere() []string {
	const dead = "http://127.0.0.1:9"
	return []string{
		"HTTPS_PROXY=" + dead, "HTTP_PROXY=" + dead, "https_proxy=" + dead, "http_proxy=" + dead, "ALL_PROXY=" + dead, "NO_PROXY=", "no_proxy=",
		"npm_config_proxy=" + dead, "npm_config_https_proxy=" + dead, "npm_config_noproxy=",
	}
}

// TestWrappersDoNotStay: a session of a package's server has one process, without
// npx or uvx beside it, and about half the memory; and a bridge starts from the
// package cache when no registry can be reached.
func TestWrappersDoNotStay(t *testing.T) {
	t.Parallel() // it waits for the network
	cache := t.TempDir()
	for _, server := range []wrapped{
		{"npx", "-y @modelcontextprotocol/server-memory", []string{"npm_config_cache=" + filepath.Join(cache, "npm")}},
		{filepath.Join(envoytest.ModuleRoot(t), ".tools", "bin", "uvx"), "mcp-server-time", []string{"UV_CACHE_DIR=" + filepath.Join(cache, "uv")}},
	} {
		t.Run(filepath.Base(server.command), func(t *testing.T) {
			t.Parallel()
			direct, programs := startAlone(t, server).session(t)
			if len(programs) != 1 {
				t.Errorf("a session has the processes %q", programs)
			}
			if server.command == "npx" { // uvx is no smaller, and slower to start
				whole, programs := startAlone(t, server, "MCP_DIRECT=never").session(t)
				if ratio := float64(direct) / float64(whole); len(programs) < 2 || ratio > 0.55 {
					t.Errorf("a session has %d KiB, with %q %d KiB: %.2f", direct, programs, whole, ratio)
				}
			}
			if _, programs := startAlone(t, server, nowhere()...).session(t); len(programs) != 1 {
				t.Errorf("without a registry a session has the processes %q", programs)
			}
		})
	}
}
