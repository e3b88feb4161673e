package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// npmVersion is that of the public servers from npm.
const npmVersion = "@2026.8.31"

// cell is a public server, and a call whose answer shows that it works.
type cell struct {
	name, command, args string
	tools               []string // some that it lists
	tool                string
	arguments           map[string]any
	want                string
}

// cells are real servers: those from npm speak the legacy era only, those from
// PyPI both.
func cells(t *testing.T) []cell {
	t.Helper()
	files, repository := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "note.txt"), []byte("moored here"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=harbour"},
		{"-c", "user.name=e2e", "-c", "user.email=e2e@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--allow-empty", "-m", "cast off"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", repository}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	return []cell{
		{
			"cell-everything", "npx", "-y @modelcontextprotocol/server-everything" + npmVersion,
			[]string{"echo"}, "echo", map[string]any{"message": "moored"}, "moored",
		},
		{
			"cell-memory", "npx", "-y @modelcontextprotocol/server-memory" + npmVersion,
			[]string{"read_graph", "search_nodes"}, "create_entities",
			map[string]any{"entities": []any{map[string]any{"name": "buoy", "entityType": "mark", "observations": []any{"red"}}}}, "",
		},
		{
			"cell-filesystem", "npx", "-y @modelcontextprotocol/server-filesystem" + npmVersion + " '" + files + "'",
			[]string{"list_directory", "write_file"}, "read_text_file", map[string]any{"path": filepath.Join(files, "note.txt")}, "moored here",
		},
		{
			"cell-time", "uvx", "mcp-server-time@2026.10.19 --local-timezone=UTC",
			[]string{"get_current_time", "convert_time"}, "convert_time",
			map[string]any{"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kolkata"}, "17:30",
		},
		{
			"cell-git", "uvx", "mcp-server-git@2026.10.19 --repository '" + repository + "'",
			[]string{"git_status", "git_diff"}, "git_log", map[string]any{"repo_path": repository}, "cast off",
		},
	}
}

func (c cell) spec() adapters.Spec {
	return adapters.Spec{
		Name: c.name, ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_COMMAND": c.command, "MCP_ARGS": c.args},
	}
}

// check uses the adapter as a client of the era.
func (c cell) check(t *testing.T, m *harness.Mooring, version string) {
	t.Helper()
	ctx := limited(t, time.Minute)
	session, err := m.TryConnectAs(ctx, c.name, version, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := session.InitializeResult(); got.ProtocolVersion != version {
		t.Errorf("it speaks %s", got.ProtocolVersion)
	}
	listed, err := session.ListTools(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, tool := range listed.Tools {
		names[tool.Name] = true
	}
	for _, want := range append(c.tools, c.tool) {
		if !names[want] {
			t.Errorf("%s is not among its tools %v", want, names)
		}
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: c.tool, Arguments: c.arguments})
	if err != nil || result.IsError || !strings.Contains(harness.Text(result), c.want) {
		t.Errorf("%s answers %+v, %v", c.tool, result, err)
	}
}

// fourCells uses each server as a client of either era.
func fourCells(t *testing.T, m *harness.Mooring, all []cell) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			m.AwaitReady(c.name, 1, installTimeout)
			for _, version := range []string{harness.Legacy, harness.Modern} {
				t.Run(version, func(t *testing.T) { c.check(t, m, version) })
			}
		})
	}
}

// oldTransport puts a server that speaks HTTP with SSE, the transport of
// 2024-11-05, behind the gateway: the same public server, run so. It is called
// once the package is in the cache.
func oldTransport(t *testing.T, m *harness.Mooring, environment []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	cmd := exec.Command("npx", "-y", "@modelcontextprotocol/server-everything"+npmVersion, "sse")
	cmd.Env = append(append(os.Environ(), environment...), "PORT="+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
	}()
	m.Create(adapters.Spec{
		Name: "old-transport", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_PROXY_URL": "http://" + address + "/sse"},
	})
	m.AwaitReady("old-transport", 1, installTimeout)
	c := cell{name: "old-transport", tools: []string{"echo"}, tool: "echo", arguments: map[string]any{"message": "moored"}, want: "moored"}
	for _, version := range []string{harness.Legacy, harness.Modern} {
		t.Run(version, func(t *testing.T) { c.check(t, m, version) })
	}
}
