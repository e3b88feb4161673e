package rules_test

import (
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/rules"
)

var ann = adapters.Principal{Issuer: "https://issuer.example", Subject: "ann", Name: "Ann", Roles: []string{"reader", "ops"}}

func compile(t *testing.T, r adapters.ToolRules) *rules.Rules {
	t.Helper()
	compiled, err := rules.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		allow, deny []string
		allowed     string
		refused     string
	}{
		{nil, nil, "a, ,read_file", ""},
		{[]string{"read_*", "list"}, nil, "read_,read_file,list", "read,list_,xread_a,List"},
		{[]string{"*"}, []string{"*delete*"}, "a,", "delete,a_delete_b,deletedelete"},
		{nil, []string{"*"}, "", "a,"},
		{[]string{"a*b*c"}, nil, "abc,aXbXc,abbc,abcbc", "ab,acb,abcd"},
		{[]string{"a**"}, nil, "a,ab", "b"},
		{[]string{"a.b"}, nil, "a.b", "aXb"},
		{[]string{"é*"}, nil, "éa", "e"},
		{[]string{"a"}, []string{"a"}, "", "a"},
	} {
		r := compile(t, adapters.ToolRules{Allow: tt.allow, Deny: tt.deny})
		for names, want := range map[string]bool{tt.allowed: true, tt.refused: false} {
			if names == "" {
				continue
			}
			for name := range strings.SplitSeq(names, ",") {
				ruling, err := r.Judge(rules.Call{Principal: ann, Tool: name})
				got := ruling == rules.Allowed
				shown, showErr := r.Shown(ann, "tools/call")(name)
				if got != want || shown != want || err != nil || showErr != nil {
					t.Errorf("allow %q, deny %q: %q is %v and %v, errors %v, %v", tt.allow, tt.deny, name, got, shown, err, showErr)
				}
			}
		}
	}
}

func TestWildcardsTakeNoTime(t *testing.T) {
	r := compile(t, adapters.ToolRules{Allow: []string{strings.Repeat("a*", 127)}})
	if got, err := r.Judge(rules.Call{Tool: strings.Repeat("a", 1<<16) + "b"}); err != nil || got != rules.Allowed {
		t.Errorf("%v, %v", got, err)
	}
}

func TestExpressions(t *testing.T) {
	for _, tt := range []struct {
		expression string
		arguments  any
		allowed    bool
		failed     bool
		// shown is what a list says, where the arguments are not known.
		shown bool
	}{
		{`true`, nil, true, false, true},
		{`tool == "t" && method == "tools/call"`, nil, true, false, true},
		{`"ops" in principal.roles`, nil, true, false, true},
		{`"admin" in principal.roles`, nil, false, false, false},
		{`principal.subject == "ann" && principal.issuer == "https://issuer.example" && principal.name == "Ann"`, nil, true, false, true},
		{`arguments.path.startsWith("/pub/")`, map[string]any{"path": "/pub/a"}, true, false, true},
		{`arguments.path.startsWith("/pub/")`, map[string]any{"path": "/etc"}, false, false, true},
		{`arguments.path.startsWith("/pub/")`, nil, false, true, true},
		{`arguments.path.startsWith("/pub/")`, map[string]any{"path": int64(1)}, false, true, true},
		{`!has(arguments.path)`, nil, true, false, true},
		{`"ops" in principal.roles && arguments.n < 5`, map[string]any{"n": 4.5}, true, false, true},
		{`"admin" in principal.roles && arguments.n < 5`, map[string]any{"n": int64(4)}, false, false, false},
		{`arguments.n < 5 && "admin" in principal.roles`, map[string]any{"n": int64(4)}, false, false, false},
		{`"ops" in principal.roles || arguments.n < 5`, nil, true, false, true},
		{`arguments.all(k, k != "force")`, map[string]any{"a": true}, true, false, true},
		{`arguments.size() == 0`, []any{"a"}, false, true, true},
		{`arguments["list"].exists(x, x == "b")`, map[string]any{"list": []any{"a", "b"}}, true, false, true},
		{`arguments.deep.er == null`, map[string]any{"deep": map[string]any{"er": nil}}, true, false, true},
		{`1 / (tool.size() - 1) == 0`, nil, false, true, false},
		{`arguments.list.all(a, arguments.list.all(b, a <= b || a > b))`, map[string]any{"list": numbers(1000)}, false, true, true},
	} {
		r := compile(t, adapters.ToolRules{Expression: tt.expression})
		ruling, err := r.Judge(rules.Call{Principal: ann, Method: "tools/call", Tool: "t", Arguments: tt.arguments})
		got := ruling == rules.Allowed
		if got != tt.allowed || (err != nil) != tt.failed {
			t.Errorf("%s of %v: %v, error %v", tt.expression, tt.arguments, got, err)
		}
		if shown, err := r.Shown(ann, "tools/call")("t"); shown != tt.shown || err != nil {
			t.Errorf("%s: shown %v, error %v", tt.expression, shown, err)
		}
		if want := strings.Contains(tt.expression, "arguments"); r.NeedsArguments() != want {
			t.Errorf("%s: needs arguments: %v", tt.expression, !want)
		}
	}
}

func numbers(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = float64(i)
	}
	return list
}

func TestListsAreBounded(t *testing.T) {
	r := compile(t, adapters.ToolRules{Expression: `[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, a+b+c > 0)))`})
	shown := r.Shown(ann, "tools/call")
	for range 10_000 {
		if _, err := shown("t"); err != nil {
			return
		}
	}
	t.Error("ten thousand tools were judged, whatever it cost")
}

func TestCheck(t *testing.T) {
	for expression, want := range map[string]string{
		`true`:                                "",
		`tool`:                                "of type string",
		`arguments.flag`:                      "of type dyn",
		`arguments.flag == true`:              "",
		`principal.role == "x"`:               "undefined field 'role'",
		`nobody == 1`:                         "undeclared reference to 'nobody'",
		`tool ==`:                             "yntax error",
		`tool == 1`:                           "no matching overload",
		strings.Repeat("(", 2000):             "recursion",
		`tool.matches("(")`:                   "invalid",
		`tool.lowerAscii() == "a"`:            "",
		`principal.roles.exists(r, r == "a")`: "",
	} {
		faults := rules.Check(adapters.Spec{ToolRules: &adapters.ToolRules{Expression: expression}})
		switch {
		case want == "" && len(faults) == 0:
		case want != "" && len(faults) == 1 && faults[0].Pointer == "/toolRules/expression" && strings.Contains(faults[0].Message, want) && !strings.Contains(faults[0].Message, "\n"):
		default:
			t.Errorf("%.50s: %v, want %q", expression, faults, want)
		}
	}
	if faults := rules.Check(adapters.Spec{}); faults != nil {
		t.Errorf("without rules: %v", faults)
	}
	long := adapters.Spec{ToolRules: &adapters.ToolRules{}}
	for range 60 {
		long.RequiredRoles = append(long.RequiredRoles, strings.Repeat("r", 256))
	}
	if faults := rules.Check(long); len(faults) != 1 || faults[0].Pointer != "/toolRules" {
		t.Errorf("too long: %v", faults)
	}
	long.ToolRules = nil
	if faults := rules.Check(long); len(faults) != 1 || faults[0].Pointer != "/requiredRoles" {
		t.Errorf("too long: %v", faults)
	}
}

// FuzzCompile holds that no expression panics, or allows where it fails.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`true`, `tool == "a"`, `arguments.a.b[0] > 1.5`, `principal.roles.all(r, r != "x")`, `1/0 == 1`, `[`, `principal{}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := rules.Compile(adapters.ToolRules{Expression: text})
		if err != nil {
			return
		}
		if ruling, err := r.Judge(rules.Call{Principal: ann, Tool: "t", Arguments: map[string]any{"a": "b"}}); ruling == rules.Allowed && err != nil {
			t.Errorf("%s: allowed with error %v", text, err)
		}
		if shown, err := r.Shown(ann, "tools/call")("t"); shown && err != nil {
			t.Errorf("%s: shown with error %v", text, err)
		}
	})
}

// TestRulingsNameTheRule: who reads the audit wants to know which it was.
func TestRulingsNameTheRule(t *testing.T) {
	r := compile(t, adapters.ToolRules{Allow: []string{"a*"}, Deny: []string{"*z", "b"}, Expression: `tool != "ax"`})
	for tool, want := range map[string]rules.Ruling{
		"a": rules.Allowed, "b": rules.Listed, "az": rules.Listed, "c": rules.NotListed, "ax": rules.ByExpression,
	} {
		if got, err := r.Judge(rules.Call{Principal: ann, Tool: tool}); got != want || err != nil {
			t.Errorf("%s: ruling %q, want %q, error %v", tool, got, want, err)
		}
	}
}
