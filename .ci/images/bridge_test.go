package images

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// startLimit bounds a server's start: npx and uvx fetch it from their registries.
const startLimit = 3 * time.Minute

// tools waits until the bridge is ready, and lists its server's tools as an MCP
// client does: initialize, initialized, tools/list.
func (r *running) tools(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	r.awaitReady(ctx, t)
	client := mcp.NewClient(&mcp.Implementation{Name: "images", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: "http://" + r.address + "/mcp"}, nil)
	if err != nil {
		t.Fatalf("initialize: %v", err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.ListTools(ctx, nil)
	if err != nil {
		t.Fatalf("tools/list: %v", err)
	}
	var names []string
	for _, tool := range result.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func (r *running) awaitReady(ctx context.Context, t *testing.T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("the bridge never became ready")
		case err := <-r.done:
			t.Fatalf("the bridge ended before it was ready: %v", err)
		case <-tick.C:
		}
	}
}

// commands are one server for each of the two launchers in the image.
var commands = map[string]struct {
	env  []string
	tool string
}{
	"npx": {[]string{"MCP_COMMAND=npx", "MCP_ARGS=-y @modelcontextprotocol/server-everything"}, "echo"},
	"uvx": {[]string{"MCP_COMMAND=uvx", "MCP_ARGS=mcp-server-time --local-timezone=UTC"}, "get_current_time"},
}

func TestBridgeServes(t *testing.T) {
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "mcp-proxy")
			c.env = command.env
			r := c.start(t)
			if names := r.tools(t); !slices.Contains(names, command.tool) {
				t.Errorf("tools are %q, want %q among them", names, command.tool)
			}
			if got := userOf(t, r); got != user {
				t.Errorf("process 1 runs as %s, want %s", got, user)
			}
			if err := r.stop(t); err != nil {
				t.Errorf("after SIGINT to process 1: %v", err)
			}
		})
	}
}

// TestBridgeServesAnyUserReadOnly is how a strict cluster runs it: a uid that the
// image does not know, and nothing writable but volumes at HOME and /tmp.
func TestBridgeServesAnyUserReadOnly(t *testing.T) {
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "mcp-proxy")
			c.uidgid, c.readOnly, c.volumes = "23456:23456", true, []string{"/home/mcp", "/tmp"}
			c.env = command.env
			r := c.start(t)
			if names := r.tools(t); !slices.Contains(names, command.tool) {
				t.Errorf("tools are %q, want %q among them", names, command.tool)
			}
		})
	}
}

// TestAnyUserWithoutVolumes needs no registry: HOME takes files of any uid.
func TestAnyUserWithoutVolumes(t *testing.T) {
	c := newContainer(t, "mcp-proxy")
	c.uidgid = "23456:0"
	c.Entrypoint = []string{"/bin/sh", "-euc", `mkdir -p "$(npm config get cache)" "$(uv cache dir)" && npx --version && uvx --version`}
	c.output(t)
}

// userOf reads the real uid and gid of a container's process 1.
func userOf(t *testing.T, r *running) string {
	t.Helper()
	pid, err := r.processOne()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			ids[fields[0]] = fields[1]
		}
	}
	return ids["Uid:"] + ":" + ids["Gid:"]
}

// TestExtension builds the Dockerfiles of docs/how-to/images.md as they stand
// there and uses what they add, as the image's user.
func TestExtension(t *testing.T) {
	uses := map[string]struct{ script, want string }{
		"system-package": {`echo '{"user":"'$(id -u)'"}' | jq -r .user`, "65532\n"},
		"npm-package":    {`command -v mcp-server-everything && test ! -e "$HOME/.npm" && id -u`, "/usr/local/bin/mcp-server-everything\n65532\n"},
	}
	dockerfiles := documented(t)
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			tag := "mooring-test-" + name
			build(t, tag, dockerfiles[name])
			c := newContainer(t, tag)
			if c.User != user {
				t.Errorf("user is %q, want %q", c.User, user)
			}
			c.Entrypoint = []string{"/bin/sh", "-euc", use.script}
			if got := c.output(t); got != use.want {
				t.Errorf("%s printed %q, want %q", use.script, got, use.want)
			}
		})
	}
}

// documented reads the Dockerfiles of the guide: code blocks that begin with a
// comment naming them, `# Dockerfile: NAME`.
func documented(t *testing.T) map[string]string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/how-to/images.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, block := range strings.Split(string(guide), "```dockerfile\n# Dockerfile: ")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		text, _, _ := strings.Cut(rest, "```")
		found[name] = text
	}
	return found
}

// build builds a Dockerfile with the machine's certificate authorities at hand.
func build(t *testing.T, tag, dockerfile string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "Dockerfile")
	if err := os.WriteFile(file, []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "--layers", "--pull=never", "--file", file, "--tag", tag}
	if ca := machineCA(); ca != "" {
		data, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		machine := t.TempDir()
		if err := os.WriteFile(filepath.Join(machine, "ca.pem"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--volume", machine+":/mnt:ro", "--env", "NODE_EXTRA_CA_CERTS=/mnt/ca.pem")
	}
	if out, err := exec.CommandContext(t.Context(), "./buildah", append(args, dir)...).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", tag, err, out)
	}
}
