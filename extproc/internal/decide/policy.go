package decide

import (
	"fmt"

	"github.com/mooring-mcp/mooring/adapters/rules"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Policy is a contract.Policy and what is made of it once.
type Policy struct {
	contract.Policy
	tools *rules.Rules
	// listed has the adapter's tools. Nil means that they are not known.
	listed map[string]bool
}

// NewPolicy makes a Policy of p. It is an error where p has rules that cannot be
// applied.
func NewPolicy(p contract.Policy) (Policy, error) {
	policy := Policy{Policy: p}
	if p.ToolNames != nil {
		policy.listed = make(map[string]bool, len(p.ToolNames))
	}
	for _, name := range p.ToolNames {
		policy.listed[name] = true
	}
	if p.Tools == nil {
		return policy, nil
	}
	tools, err := rules.Compile(*p.Tools)
	if err != nil {
		return Policy{}, fmt.Errorf("compiling tool rules: %w", err)
	}
	policy.tools = tools
	return policy, nil
}

// isListed says whether the server has a tool of that name, in the words of
// contract.Judged.
func (p Policy) isListed(tool string) string {
	switch {
	case p.listed == nil:
		return ""
	case p.listed[tool]:
		return contract.ListedYes
	}
	return contract.ListedNo
}

// FiltersLists reports whether bodies of responses must be shown: those of
// lists of tools.
func (p Policy) FiltersLists() bool { return p.tools != nil }
