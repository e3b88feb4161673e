// Package rules judges calls of tools by an adapter's ToolRules: names with
// wildcards, and an expression in CEL. The control plane checks rules with it,
// and the external processor applies them, so that both mean the same. It knows
// nothing of HTTP, JSON-RPC or Envoy.
package rules

import (
	"errors"
	"fmt"

	"github.com/mooring-mcp/mooring/adapters"
)

// Call is a call of a tool.
type Call struct {
	Principal adapters.Principal
	// Method is the protocol's method.
	Method string
	Tool   string
	// Arguments are the call's, as the types of Go that JSON has: nil where
	// there are none. Where they are needed and are no object, the call is
	// refused. See Rules.NeedsArguments.
	Arguments any
}

// Rules are compiled ToolRules. They are safe for use by several goroutines.
type Rules struct {
	allow, deny []string
	expression  *expression
}

// Compile makes Rules of r. The error says what is wrong with the expression.
func Compile(r adapters.ToolRules) (*Rules, error) {
	rules := &Rules{allow: r.Allow, deny: r.Deny}
	if r.Expression != "" {
		e, err := compile(r.Expression)
		if err != nil {
			return nil, fmt.Errorf("compiling expression: %w", err)
		}
		rules.expression = e
	}
	return rules, nil
}

// Ruling is what rules say of a call: that it may be made, or which of them is
// against it.
type Ruling string

const (
	// Allowed means that no rule is against it.
	Allowed Ruling = ""
	// NotListed means that the list of allowed tools does not have it.
	NotListed Ruling = "not_allowed"
	// Listed means that the list of denied tools has it.
	Listed Ruling = "denied"
	// ByExpression means that the expression is false.
	ByExpression Ruling = "expression"
)

// NeedsArguments reports whether Judge looks at a call's arguments.
func (r *Rules) NeedsArguments() bool { return r.expression != nil && r.expression.readsArguments }

// Judge says whether c may be made. An error, which says why the expression
// could not be computed, is a refusal.
func (r *Rules) Judge(c Call) (Ruling, error) {
	if ruling := r.named(c.Tool); ruling != Allowed || r.expression == nil {
		return ruling, nil
	}
	allowed, err := r.expression.allows(c)
	if !allowed || err != nil {
		return ByExpression, err
	}
	return Allowed, nil
}

// errListCost is the error for a list of tools that takes too long to judge.
var errListCost = errors.New("judging the list of tools costs too much")

// Shown is a function that reports whether principal may be shown a tool:
// whether some call of it is allowed. What cannot be decided without knowing the
// arguments is shown. The function judges one list: it ends with an error where
// that costs too much, and is for one goroutine.
func (r *Rules) Shown(principal adapters.Principal, method string) func(tool string) (bool, error) {
	left := uint64(maxListCost)
	return func(tool string) (bool, error) {
		if r.named(tool) != Allowed {
			return false, nil
		}
		if r.expression == nil {
			return true, nil
		}
		shown, cost := r.expression.mayAllow(Call{Principal: principal, Method: method, Tool: tool})
		if cost > left {
			return false, errListCost
		}
		left -= cost
		return shown, nil
	}
}

// named is what the lists say of tool.
func (r *Rules) named(tool string) Ruling {
	switch {
	case matchAny(r.deny, tool):
		return Listed
	case r.allow != nil && !matchAny(r.allow, tool):
		return NotListed
	}
	return Allowed
}

func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if match(pattern, name) {
			return true
		}
	}
	return false
}

// match reports whether name is what pattern says, in which `*` stands for any
// characters. It takes time in proportion to both lengths, multiplied.
func match(pattern, name string) bool {
	p, n := 0, 0
	star, from := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
