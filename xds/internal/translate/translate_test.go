package translate_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"
	exprv1 "cel.dev/expr"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	xdstypev3 "github.com/cncf/xds/go/xds/type/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	"github.com/google/go-cmp/cmp"
	exprv1alpha1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

var update = flag.Bool("update", false, "rewrite testdata/out and remove stale files")

type input struct {
	Settings translate.Settings `json:"settings"`
	Adapters []translate.Entry  `json:"adapters"`
	Trust    translate.Trust    `json:"trust"`
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
	r, err := translator.Resources(list, in.Trust)
	if err != nil {
		t.Fatal(err)
	}
	out["listeners"] = asYAML(t, r.Listeners)
	out["routes"] = asYAML(t, r.Routes)
	out["clusters"] = asYAML(t, r.Clusters)
	out["endpoints"] = asYAML(t, r.Endpoints)
	if len(r.Filters) > 0 {
		out["filters"] = asYAML(t, []*corev3.TypedExtensionConfig{legible(t, r.Filters[0]), r.Filters[1]})
	}
	return out
}

// legible is the filter with its expression as text, for people to read.
func legible(t *testing.T, filter *corev3.TypedExtensionConfig) *corev3.TypedExtensionConfig {
	t.Helper()
	judging, matcher := new(matchingv3.ExtensionWithMatcher), new(xdsmatcherv3.CelMatcher)
	if !filter.GetTypedConfig().MessageIs(judging) {
		return filter
	}
	unpack(t, filter.GetTypedConfig(), judging)
	predicate := judging.GetXdsMatcher().GetMatcherList().GetMatchers()[0].GetPredicate().GetAndMatcher().GetPredicate()[1].GetSinglePredicate()
	unpack(t, predicate.GetCustomMatch().GetTypedConfig(), matcher)
	text, err := parser.Unparse(expressionOf(t, matcher.GetExprMatch().GetCelExprParsed()), ast.NewSourceInfo(nil),
		parser.WrapOnOperators("_&&_", "_||_"), parser.WrapOnColumn(1), parser.WrapAfterColumnLimit(false))
	if err != nil {
		t.Fatal(err)
	}
	matcher.ExprMatch = &xdstypev3.CelExpression{CelExprString: text}
	predicate.GetCustomMatch().TypedConfig = pack(t, matcher)
	return &corev3.TypedExtensionConfig{Name: filter.GetName(), TypedConfig: pack(t, judging)}
}

func expressionOf(t *testing.T, parsed *exprv1.ParsedExpr) ast.Expr {
	t.Helper()
	text, err := proto.Marshal(parsed.GetExpr())
	if err != nil {
		t.Fatal(err)
	}
	old := new(exprv1alpha1.Expr)
	if err := proto.Unmarshal(text, old); err != nil {
		t.Fatal(err)
	}
	expression, err := ast.ProtoToExpr(old)
	if err != nil {
		t.Fatal(err)
	}
	return expression
}

func unpack(t *testing.T, from *anypb.Any, to proto.Message) {
	t.Helper()
	if err := from.UnmarshalTo(to); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	out, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
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
