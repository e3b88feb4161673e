package chart_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldest is the oldest Kubernetes that the chart takes. A Helm 3 that is built from
// its module knows of none that is young enough.
const oldest = "1.30.0"

// blank are lines with nothing on them, of which Helm 4 writes more.
var blank = regexp.MustCompile(`\n\s*\n`)

// TestHelm3 finds nothing to say against the chart, and makes the same of it as
// Helm 4.
func TestHelm3(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			if said, err := run(helm3, "lint", "--strict", "--quiet", "--kube-version", oldest, "--values", values, chart); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
			rendered := make([]string, 2)
			for i, helm := range []func() (string, error){helm, helm3} {
				text, err := run(helm, "template", release, chart, "--namespace", namespace, "--include-crds", "--kube-version", oldest, "--values", values)
				if err != nil {
					t.Fatal(err)
				}
				rendered[i] = blank.ReplaceAllString(secret.ReplaceAllString(string(text), "$1$2$3…"), "\n")
			}
			if diff := cmp.Diff(rendered[0], rendered[1]); diff != "" {
				t.Errorf("Helm 3 makes something else of it (-Helm 4 +Helm 3):\n%s", diff)
			}
		})
	}
}
