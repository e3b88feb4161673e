package e2e

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

const modulePath = "github.com/mooring-mcp/mooring/"

// allowed says which packages of other top-level folders a folder's packages
// may import, by prefix. The tests of a folder may also import what is listed
// under "tests".
var allowed = map[string][]string{
	"adapters": {},
	"bridge":   {"adapters/keys", "adapters/launch", "adapters/logging", "adapters/otlp", "adapters/tracing"},
	"extproc":  {"adapters", "envoy/contract", "envoy/bootstrap"},
	"xds":      {"adapters", "envoy/contract", "envoy/bootstrap"},
	"envoy":    {"adapters"},
	"tests":    {"envoy/envoytest", "envoy/bootstrap", "envoy/contract"},
}

// only says by whom a package, by prefix, may be imported at all.
var only = map[string][]string{
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3":              {"xds/internal/snapshot"},
	"github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3": {"extproc"},
	"k8s.io":                                 {"adapters/kube"},
	"sigs.k8s.io/controller-runtime":         {"adapters/kube"},
	"github.com/modelcontextprotocol/go-sdk": {"envoy/e2e"},
}

// TestImports holds the rules of who may know whom. It parses the files: a test
// that asked the go command would pass from the cache after a violation.
func TestImports(t *testing.T) {
	root := envoytest.ModuleRoot(t)
	for folder := range allowed {
		if folder == "tests" {
			continue
		}
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return err
			}
			file, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			for _, imported := range importsOf(t, path) {
				if fault := judge(folder, file, imported); fault != "" {
					t.Errorf("%s imports %s: %s", file, imported, fault)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// judge says what is wrong with the import, or nothing.
func judge(folder, file, imported string) string {
	test := strings.HasSuffix(file, "_test.go")
	for prefix, by := range only {
		if under(imported, prefix) && !test && !anyPrefix(filepath.Dir(file), by) {
			return "only " + strings.Join(by, ", ") + " may"
		}
	}
	if filepath.Dir(file) == "adapters" && !test &&
		strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "package adapters itself uses only the standard library"
	}
	own, ok := strings.CutPrefix(imported, modulePath)
	if !ok || under(own, folder) || anyPrefix(own, allowed[folder]) {
		return ""
	}
	if test && anyPrefix(own, allowed["tests"]) {
		return ""
	}
	return "folder " + folder + " may not know it"
}

func importsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, imported)
	}
	return all
}

func anyPrefix(path string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if under(path, prefix) {
			return true
		}
	}
	return false
}

// under reports whether path is prefix or below it.
func under(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestImportRulesBite(t *testing.T) {
	for _, tt := range []struct {
		folder, file, imported string
		fault                  bool
	}{
		{"bridge", "bridge/main.go", modulePath + "adapters/launch", false},
		{"bridge", "bridge/main.go", modulePath + "adapters", true},
		{"bridge", "bridge/internal/x/x_test.go", modulePath + "envoy/envoytest", false},
		{"bridge", "bridge/main.go", modulePath + "envoy/envoytest", true},
		{"xds", "xds/main.go", modulePath + "extproc/internal/decide", true},
		{"xds", "xds/main.go", "github.com/envoyproxy/go-control-plane/pkg/cache/v3", true},
		{"xds", "xds/internal/snapshot/loop.go", "github.com/envoyproxy/go-control-plane/pkg/cache/v3", false},
		{"adapters", "adapters/service.go", "github.com/google/uuid", true},
		{"adapters", "adapters/service.go", "encoding/json", false},
		{"adapters", "adapters/api/api.go", "github.com/google/uuid", false},
		{"adapters", "adapters/api/api.go", modulePath + "envoy/contract", true},
		{"adapters", "adapters/api/api.go", modulePath + "adaptersplus", true},
		{"adapters", "adapters/api/api.go", "k8s.io/api/core/v1", true},
		{"adapters", "adapters/kube/internal/objects/objects.go", "k8s.io/api/core/v1", false},
		{"xds", "xds/main.go", "sigs.k8s.io/controller-runtime", true},
	} {
		if fault := judge(tt.folder, tt.file, tt.imported); (fault != "") != tt.fault {
			t.Errorf("%s importing %s: %q", tt.file, tt.imported, fault)
		}
	}
}
