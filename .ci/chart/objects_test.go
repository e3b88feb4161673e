package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

var update = flag.Bool("update", false, "rewrite testdata/out")

// others are the kinds of other projects, whose types this module lacks.
var others = regexp.MustCompile(`^(monitoring\.coreos\.com|cert-manager\.io)/`)

// TestObjectsAreStrict: every member of every object is one that Kubernetes knows,
// and each is in a namespace that the values name, or in none.
func TestObjectsAreStrict(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			all := objects(t, mustRender(t, "--values", values))
			seen := map[string]bool{}
			for _, o := range all {
				id := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
				if n := len(o.GetName()); n == 0 || n > 63 && o.GetNamespace() != "" {
					t.Errorf("%s: a name of %d characters", id, n)
				}
				if o.GetKind() != "CustomResourceDefinition" && o.GetLabels()["app.kubernetes.io/part-of"] != "mooring" {
					t.Errorf("%s does not say that it is part of Mooring: adapters could be given it", id)
				}
				if others.MatchString(o.GetAPIVersion()) {
					continue
				}
				if _, _, err := decoder.Decode(o.text, nil, nil); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
}

// secret is what differs from one rendering to the next.
var secret = regexp.MustCompile(`(?m)^(  (?:tls\.crt|tls\.key|ca\.crt|key|apikeys\.json|mooring\.dev/made): ).*$|^  \d{8}T\d{6}Z(\.pem: ).*$|^  ( +mooring\.dev/made: ).*$`)

// TestGolden holds what the chart makes against testdata/out: read its diff like
// code.
func TestGolden(t *testing.T) {
	for name, values := range cases(t) {
		file := filepath.Join("testdata", "out", name+".yaml")
		args := []string{"--values", values, "--skip-crds"}
		if name == "everything" {
			// They have goldens of their own.
			args = append(args, "--set", "monitoring.dashboards=false,monitoring.rules=false")
		}
		got := secret.ReplaceAllString(string(mustRender(t, args...)), "$1$2$3…")
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: run make golden and read its diff (-want +got):\n%s", name, diff)
		}
	}
}
