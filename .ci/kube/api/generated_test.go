package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreCurrent: whoever changes the custom resource's types runs
// make generate.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	generate := exec.Command("go", "tool", "-modfile=.ci/tools/go.mod", "controller-gen", "object", "crd:maxDescLen=256",
		"paths=./adapters/kube/v1alpha1", "output:object:dir="+dir, "output:crd:dir="+dir)
	generate.Dir = root
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("generating: %v\n%s", err, out)
	}
	for _, file := range []string{"adapters/kube/v1alpha1/zz_generated.deepcopy.go", "charts/mooring/crds/mooring.dev_mcpadapters.yaml"} {
		want, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: run make generate (-want +got):\n%s", file, d)
		}
	}
}
