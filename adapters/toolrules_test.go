package adapters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestToolRulesNormalize(t *testing.T) {
	for _, empty := range []*adapters.ToolRules{nil, {}, {Deny: []string{}}} {
		if got := (adapters.Spec{ToolRules: empty}).Normalize().ToolRules; got != nil {
			t.Errorf("%+v became %+v", empty, got)
		}
	}
	given := &adapters.ToolRules{Allow: []string{"a"}}
	got := adapters.Spec{ToolRules: given}.Normalize().ToolRules
	given.Allow[0] = "b"
	if diff := cmp.Diff(&adapters.ToolRules{Allow: []string{"a"}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	base, ruled := valid(), valid()
	ruled.ToolRules = given
	if base.TemplateHash() != ruled.TemplateHash() || base.Equal(ruled) {
		t.Error("rules must change the adapter, and none of its processes")
	}
}

func TestChecks(t *testing.T) {
	say := func(pointer string) func(adapters.Spec) []adapters.Fault {
		return func(adapters.Spec) []adapters.Fault { return []adapters.Fault{{Pointer: pointer}} }
	}
	got := adapters.Checks(say("/a"), func(adapters.Spec) []adapters.Fault { return nil }, say("/b"))(adapters.Spec{})
	if diff := cmp.Diff([]adapters.Fault{{Pointer: "/a"}, {Pointer: "/b"}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
