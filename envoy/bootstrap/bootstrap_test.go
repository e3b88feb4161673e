package bootstrap_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path string) bootstrap.Config {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c bootstrap.Config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return c
}

func TestGolden(t *testing.T) {
	ins, err := filepath.Glob("testdata/in/*.yaml")
	if err != nil || len(ins) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	if *update {
		if err := os.RemoveAll("testdata/out"); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata/out", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range ins {
		name := strings.TrimSuffix(filepath.Base(in), ".yaml")
		t.Run(name, func(t *testing.T) {
			got, err := bootstrap.Render(read(t, in))
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join("testdata/out", name+".bootstrap.yaml")
			if *update {
				if err := os.WriteFile(out, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("run make golden and read its diff (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	err := bootstrap.Config{AdminSocket: "relative.sock"}.Validate()
	if err == nil {
		t.Fatal("an empty configuration is valid")
	}
	for _, want := range []string{"node id", `admin socket "relative.sock"`, "ADS socket", "API socket",
		"xds operations socket", "extproc socket", "extproc operations socket", "maximum of connections"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q: %v", want, err)
		}
	}
}

// TestEnvoyRunsIt shows that a real Envoy takes the bootstrap as it is, comes
// up without its control plane, and has no layer that changes at run time.
func TestEnvoyRunsIt(t *testing.T) {
	dir := envoytest.SocketDir(t)
	c := read(t, "testdata/in/one-machine.yaml")
	for _, socket := range []*string{&c.AdminSocket, &c.ADSSocket, &c.APISocket, &c.XDSOpsSocket, &c.ExtProcSocket, &c.ExtProcLogSocket, &c.ExtProcOpsSocket} {
		*socket = filepath.Join(dir, filepath.Base(*socket))
	}
	text, err := bootstrap.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	e := envoytest.Start(t, text, envoytest.AdminOnly())

	var runtime struct {
		Layers []string `json:"layers"`
	}
	if err := json.Unmarshal(e.AdminGet("/runtime"), &runtime); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"static"}, runtime.Layers); diff != "" {
		t.Errorf("runtime layers (-want +got):\n%s", diff)
	}
	dump := string(e.AdminGet("/config_dump?include_eds"))
	for _, want := range []string{"mooring.internal.ads", "mooring.internal.envoy-admin", "DELTA_GRPC"} {
		if !strings.Contains(dump, want) {
			t.Errorf("config dump does not show %s", want)
		}
	}
}
