package reference_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/charts/reference"
)

var update = flag.Bool("update", false, "write the page")

const chart = "../mooring/"

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestGolden: the page is that of values.yaml.
func TestGolden(t *testing.T) {
	all, err := reference.Values(read(t, chart+"values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	page := reference.Page(string(read(t, "head.md")), all)
	if *update {
		if err := os.WriteFile(chart+"README.md", page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(page), string(read(t, chart+"README.md"))); diff != "" {
		t.Errorf("run make golden (-want +got):\n%s", diff)
	}
}

// schema is the part of a JSON Schema that names what there is.
type schema struct {
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties any                `json:"additionalProperties"`
}

// TestSchema: what values.yaml has is in the schema, and the schema allows nothing
// that values.yaml lacks.
func TestSchema(t *testing.T) {
	var s schema
	if err := json.Unmarshal(read(t, chart+"values.schema.json"), &s); err != nil {
		t.Fatal(err)
	}
	all, err := reference.Values(read(t, chart+"values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"global": true}
	for _, v := range all {
		at := &s
		for i, part := range strings.Split(v.Path, ".") {
			if at.Properties == nil {
				break // a value of its own, with members of its own
			}
			if at.AdditionalProperties != false {
				t.Errorf("%s: additional properties are allowed beside it", v.Path)
			}
			if at = at.Properties[part]; at == nil {
				t.Errorf("%s is not in the schema", v.Path)
				break
			}
			known[strings.Join(strings.Split(v.Path, ".")[:i+1], ".")] = true
		}
	}
	for path := range s.paths("", known) {
		t.Errorf("%s is in the schema, not in values.yaml", path)
	}
}

// paths are those of s that are not known. What a known value holds is its own.
func (s *schema) paths(prefix string, known map[string]bool) map[string]bool {
	unknown := map[string]bool{}
	holds := false
	for name := range s.Properties {
		holds = holds || known[prefix+name]
	}
	if !holds {
		return nil
	}
	for name, within := range s.Properties {
		if !known[prefix+name] {
			unknown[prefix+name] = true
			continue
		}
		for path := range within.paths(prefix+name+".", known) {
			unknown[path] = true
		}
	}
	return unknown
}

func TestValuesNeedComments(t *testing.T) {
	for name, text := range map[string]string{
		"no comment": "a: 1\n", "none within": "a:\n  # B.\n  b: 1\n  c: 2\n", "no mapping": "[1]\n", "no YAML": "a: [\n", "empty": "",
	} {
		if all, err := reference.Values([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, all)
		}
	}
}
