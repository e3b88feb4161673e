package translate_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

var update = flag.Bool("update", false, "rewrite testdata/out and remove stale files")

type input struct {
	Settings translate.Settings `json:"settings"`
	Adapters []translate.Entry  `json:"adapters"`
}

// TestGolden holds the resources of each case in testdata/in against those in
// testdata/out, a file for each type.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/in/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, error %v", len(cases), err)
	}
	known := make(map[string]bool)
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for typ, got := range render(t, path) {
			file := filepath.Join("testdata", "out", name+"."+typ+".yaml")
			known[file] = true
			compare(t, file, got)
		}
	}
	stale(t, known)
}

func render(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in input
	if err := yaml.UnmarshalStrict(text, &in); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	translator, err := translate.New(in.Settings)
	if err != nil {
		t.Fatal(err)
	}
	var list []*translate.Adapter
	out := map[string]string{}
	for _, e := range in.Adapters {
		a, err := translator.Adapter(e)
		if err != nil {
			out["faults"] += err.Error() + "\n"
			continue
		}
		list = append(list, a)
	}
	r := translator.Resources(list)
	out["listeners"] = asYAML(t, r.Listeners)
	out["routes"] = asYAML(t, r.Routes)
	out["clusters"] = asYAML(t, r.Clusters)
	out["endpoints"] = asYAML(t, r.Endpoints)
	return out
}

// asYAML goes through JSON: protojson spaces its output differently from build
// to build.
func asYAML[M proto.Message](t *testing.T, messages []M) string {
	t.Helper()
	var out strings.Builder
	for _, m := range messages {
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		text, err = yaml.JSONToYAML(text)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.String()
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func stale(t *testing.T, known map[string]bool) {
	t.Helper()
	files, err := filepath.Glob("testdata/out/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		switch {
		case known[file]:
		case !*update:
			t.Errorf("%s belongs to no case", file)
		default:
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}
