package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// definitions are the custom resources of other projects that the chart or the
// documents make objects of, by their modules.
var definitions = map[string][]string{
	"github.com/cert-manager/cert-manager": {"deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml"},
	"github.com/envoyproxy/gateway":        {"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml"},
	"github.com/prometheus-operator/prometheus-operator": {
		"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
	},
	"istio.io/api":            {"kubernetes/customresourcedefinitions.gen.yaml"},
	"sigs.k8s.io/gateway-api": {"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
}

// define installs the definitions.
func define(t *testing.T) {
	t.Helper()
	var paths []string
	for module, files := range definitions {
		cmd := exec.Command("go", "mod", "download", "-json", module)
		cmd.Dir = "schemas"
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("downloading %s: %v: %s", module, err, out)
		}
		dir := regexp.MustCompile(`"Dir": "(.*)"`).FindSubmatch(out)
		if dir == nil {
			t.Fatalf("downloading %s: %s", module, out)
		}
		for _, file := range files {
			paths = append(paths, filepath.Join(string(dir[1]), file))
		}
	}
	installed, err := envtest.InstallCRDs(server.config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(server.config, envtest.CRDInstallOptions{CRDs: installed}); err != nil {
			t.Error(err)
		}
	})
}

// TestEveryObjectIsTaken by the API server, strictly, each as the chart makes it
// and as the documents show it.
func TestEveryObjectIsTaken(t *testing.T) {
	define(t)
	i := install(t)
	texts := map[string][]byte{}
	values, err := filepath.Glob(filepath.Join(root, "charts/mooring/ci/*-values.yaml"))
	if err != nil || len(values) == 0 {
		t.Fatalf("no values: %v", err)
	}
	for _, file := range values {
		out, err := exec.Command(i.helm, "template", "other", filepath.Join(root, "charts/mooring"), "--values", file,
			"--namespace", i.namespace, "--set", "adapters.namespace="+i.namespace).Output()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		texts[filepath.Base(file)] = out
	}
	for _, name := range []string{"kubernetes.md", "existing-envoy.md"} {
		page, err := os.ReadFile(filepath.Join(root, "docs/how-to", name))
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(apiVersion: .*?)```").FindAllSubmatch(page, -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no object", name)
		}
		for _, block := range blocks {
			texts[name] = append(append(texts[name], block[1]...), "---\n"...)
		}
	}
	for name, text := range texts {
		for _, o := range objects(t, text) {
			if o.GetNamespace() != "" {
				o.SetNamespace(i.namespace)
			}
			// Not of the release, and not to be told from another that is there.
			o.SetName("other-" + strings.TrimPrefix(o.GetName(), "other-"))
			if err := server.admin.Create(t.Context(), &o, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
				t.Errorf("%s: %s %s: %v", name, o.GetKind(), o.GetName(), err)
			}
		}
	}
}

func objects(t *testing.T, text []byte) (all []unstructured.Unstructured) {
	t.Helper()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
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
			all = append(all, o)
		}
	}
}
