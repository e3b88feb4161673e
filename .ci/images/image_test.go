// Package images proves what the images built by build.sh promise: their
// configuration, who they run as, and that MCP servers work in them. It knows
// nothing of how the programs work inside. Folders that begin with a dot are no
// part of ./..., so only `make test-images` runs it.
package images

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// user is the uid and gid that every image runs as.
const user = "65532:65532"

// image is the part of an image's configuration that the tests look at.
type image struct {
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	Labels       map[string]string
	ExposedPorts map[string]struct{}
}

// buildah runs buildah on the checkout's own storage and returns what it prints.
func buildah(t *testing.T, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(context.Background(), "./buildah", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// inspect reads the configuration of a built image.
func inspect(t *testing.T, name string) image {
	t.Helper()
	var doc struct {
		OCIv1 struct{ Config image }
	}
	if err := json.Unmarshal([]byte(buildah(t, "inspect", "--type", "image", name)), &doc); err != nil {
		t.Fatalf("reading the configuration of %s: %v", name, err)
	}
	return doc.OCIv1.Config
}

func TestConfiguration(t *testing.T) {
	entrypoints := map[string][]string{
		"mcp-proxy":       {"/usr/bin/tini", "-s", "--", "/usr/local/bin/bridge"},
		"mooring-xds":     {"/xds"},
		"mooring-extproc": {"/extproc"},
	}
	for name, entrypoint := range entrypoints {
		t.Run(name, func(t *testing.T) {
			got := inspect(t, name)
			if got.User != user {
				t.Errorf("user is %q, want the numeric %q", got.User, user)
			}
			if diff := cmp.Diff(entrypoint, got.Entrypoint); diff != "" {
				t.Errorf("entrypoint (-want +got):\n%s", diff)
			}
			if len(got.Cmd) != 0 {
				t.Errorf("the base's command is left: %q", got.Cmd)
			}
			for _, label := range []string{"title", "description", "source", "licenses", "version", "revision"} {
				if got.Labels["org.opencontainers.image."+label] == "" {
					t.Errorf("label %s is missing", label)
				}
			}
			for _, variable := range got.Env {
				if machineSetting(variable) {
					t.Errorf("a setting of the machine that built it is in the image: %s", variable)
				}
			}
		})
	}
}

// machineSetting tells whether a variable belongs to the machine that builds.
func machineSetting(variable string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(variable), "=")
	return strings.HasSuffix(name, "_PROXY") || strings.HasSuffix(name, "_REGISTRY") ||
		slices.Contains([]string{"PIP_CERT", "PIP_INDEX_URL", "GOPROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}, name)
}

// TestNothingOfTheMachine looks where a build can leave traces of its machine.
func TestNothingOfTheMachine(t *testing.T) {
	root := newContainer(t, "mcp-proxy").root
	for _, pattern := range []string{"mnt/*", "srv/*", "etc/pip.conf", "root/.[cn]*", "home/mcp/*", "home/mcp/.*", "tmp/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 0 {
			t.Errorf("left in the image: %q", found)
		}
	}
	// buildah leaves empty files where it mounts these for its steps.
	for _, file := range []string{"etc/resolv.conf", "etc/hostname", "etc/hosts"} {
		if text, err := os.ReadFile(filepath.Join(root, file)); err == nil && len(text) != 0 {
			t.Errorf("the machine's %s is in the image:\n%s", file, text)
		}
	}
}

func TestBridgePort(t *testing.T) {
	if _, ok := inspect(t, "mcp-proxy").ExposedPorts["8000/tcp"]; !ok {
		t.Error("mcp-proxy does not expose port 8000")
	}
}

// TestStatic runs the programs in an empty filesystem: anything not static fails.
func TestStatic(t *testing.T) {
	for _, program := range []string{"xds", "extproc"} {
		t.Run(program, func(t *testing.T) {
			c := newContainer(t, "mooring-"+program)
			c.args = []string{"--help"}
			out := c.output(t)
			if !strings.Contains(out, "Usage: "+program) {
				t.Errorf("--help printed:\n%s", out)
			}
		})
	}
}
