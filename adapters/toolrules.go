package adapters

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// The bounds of ToolRules. Lengths are in characters.
const (
	maxToolPatterns = 256
	maxToolPattern  = 256
	maxExpression   = 4096
)

var toolPatternRule = regexp.MustCompile(patternRole)

// ToolRules say which tools of an adapter may be called, by those who may use
// the adapter at all. A tool that may not be called is left out of tools/list
// too.
type ToolRules struct {
	// Allow names the tools that may be called; `*` stands for any characters,
	// also none. Absent means all. An empty list is refused, since it could
	// mean either.
	Allow []string `json:"allow,omitzero"`
	// Deny names tools that may not be called, whatever Allow says. It is
	// written like Allow.
	Deny []string `json:"deny,omitempty"`
	// Expression is a CEL expression of type bool that must hold for a call as
	// well: over principal{subject,issuer,name,roles}, method, tool and
	// arguments. Empty means that nothing more must. An error while it is
	// computed refuses the call.
	Expression string `json:"expression,omitempty"`
}

// normalize is r in memory of its own, or nil where it says nothing.
func (r *ToolRules) normalize() *ToolRules {
	if r == nil || r.Allow == nil && len(r.Deny) == 0 && r.Expression == "" {
		return nil
	}
	out := &ToolRules{Allow: slices.Clone(r.Allow), Expression: r.Expression}
	if len(r.Deny) > 0 {
		out.Deny = slices.Clone(r.Deny)
	}
	return out
}

// toolRules says what is wrong with the form of r. Whether the expression is
// one is judged elsewhere: see ServiceConfig.Check.
func (f *faultList) toolRules(r *ToolRules) {
	if r == nil {
		return
	}
	if r.Allow != nil && len(r.Allow) == 0 {
		f.add("/toolRules/allow", `It is empty: leave it out to allow all tools, or deny "*" to allow none.`)
	}
	f.toolPatterns("allow", r.Allow)
	f.toolPatterns("deny", r.Deny)
	f.length(r.Expression, maxExpression, "/toolRules/expression")
}

func (f *faultList) toolPatterns(member string, patterns []string) {
	if len(patterns) > maxToolPatterns {
		f.add(Pointer("toolRules", member), fmt.Sprintf("There are more than %d.", maxToolPatterns))
	}
	for i, pattern := range patterns {
		pointer := Pointer("toolRules", member, strconv.Itoa(i))
		switch {
		case !toolPatternRule.MatchString(pattern):
			f.add(pointer, "It must be a tool's name, with * for any characters: without control characters, and not empty.")
		case slices.Contains(patterns[:i], pattern):
			f.add(pointer, "It repeats an earlier one.")
		default:
			f.length(pattern, maxToolPattern, pointer)
		}
	}
}
