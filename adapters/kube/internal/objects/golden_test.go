package objects_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: each file in testdata/in has the operator's settings and an adapter;
// testdata/out has what is made of them.
func TestGolden(t *testing.T) {
	const out = "testdata/out"
	if *update {
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(out, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("testdata/in/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			got := manifests(t, objects.Make(readInput(t, file)))
			path := filepath.Join(out, filepath.Base(file))
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got (make golden rewrites it):\n%s", diff)
			}
		})
	}
}

// readInput reads a file of testdata/in. The values of secrets are their names.
func readInput(t *testing.T, file string) objects.Input {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, second, found := strings.Cut(string(text), "\n---\n")
	if !found {
		t.Fatal("there are no two documents")
	}
	s, err := settings.Read([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	var object v1alpha1.MCPAdapter
	if err := yaml.UnmarshalStrict([]byte(second), &object); err != nil {
		t.Fatal(err)
	}
	plain := object.Spec
	plain.SecretEnvironmentVariables = nil
	asJSON, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	a := adapters.Adapter{ID: "abcdefghijklmnopqrstuvwxyz"}
	if err := json.Unmarshal(asJSON, &a.Spec); err != nil {
		t.Fatal(err)
	}
	a.Name = object.Name
	for name := range object.Spec.SecretEnvironmentVariables {
		if a.SecretEnvironmentVariables == nil {
			a.SecretEnvironmentVariables = map[string]adapters.Secret{}
		}
		a.SecretEnvironmentVariables[name] = adapters.Secret("value of " + name)
	}
	return objects.Input{Object: &object, Adapter: a, Settings: s}
}

func manifests(t *testing.T, set objects.Set) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, object := range set.All() {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		delete(fields, "status")
		text, err := yaml.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n")
		all.Write(text)
	}
	return all.Bytes()
}
