// Package chart_test renders the chart with the real Helm and looks at every object
// that comes out: whether Kubernetes would take it, and whether our programs and
// Envoy understand what is in it. No cluster is needed.
package chart_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	chart   = "../../charts/mooring"
	tools   = "tools/go.mod"
	release = "mooring"
	// namespace is that of the release.
	namespace = "gateway"
)

// helm is the pinned Helm, and helm3 the last major version before it.
var (
	helm  = built("helm.sh/helm/v4/cmd/helm")
	helm3 = built("helm.sh/helm/v3/cmd/helm")
)

// built says where the program of that package is, which it builds once.
func built(tool string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		out, err := exec.Command("go", "tool", "-modfile="+tools, "-n", tool).Output()
		if err != nil {
			return "", fmt.Errorf("building %s: %w", tool, err)
		}
		return strings.TrimSpace(string(out)), nil
	})
}

// cases are the files of values, by name.
func cases(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	all := map[string]string{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = file
	}
	return all
}

// render is what Helm makes of the chart, or what it says of the arguments.
func render(args ...string) ([]byte, error) {
	return run(helm, append([]string{"template", release, chart, "--namespace", namespace, "--include-crds"}, args...)...)
}

// run is what the Helm prints, or what it says of the arguments.
func run(helm func() (string, error), args ...string) ([]byte, error) {
	program, err := helm()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	return out, nil
}

func mustRender(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := render(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// objects are those of the text, each with the text that it was read from.
func objects(t *testing.T, text []byte) []object {
	t.Helper()
	var all []object
	decoder := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := decoder.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if o.Object != nil {
			all = append(all, object{Unstructured: o, text: document})
		}
	}
}

type object struct {
	unstructured.Unstructured
	text []byte
}

// find is the object of that kind and name.
func find(t *testing.T, all []object, kind, name string) object {
	t.Helper()
	for _, o := range all {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return object{}
}

// files writes what the object holds, a ConfigMap or a Secret, into a folder, as
// the kubelet would.
func files(t *testing.T, o object) string {
	t.Helper()
	dir := t.TempDir()
	data, _, err := unstructured.NestedStringMap(o.Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range data {
		content := []byte(text)
		if o.GetKind() == "Secret" {
			if content, err = base64.StdEncoding.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
