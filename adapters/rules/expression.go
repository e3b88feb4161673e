package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/mooring-mcp/mooring/adapters"
)

// Bounds of what an expression may cost, in CEL's units: about one for each
// operation, and one for each ten characters that are looked at. A unit took
// some 100 ns here.
const (
	maxCost     = 100_000
	maxListCost = 10 * maxCost
)

// The variables of expressions.
const (
	variablePrincipal = "principal"
	variableMethod    = "method"
	variableTool      = "tool"
	variableArguments = "arguments"
)

// principal is a Principal as expressions see it.
type principal struct {
	Subject string   `cel:"subject"`
	Issuer  string   `cel:"issuer"`
	Name    string   `cel:"name"`
	Roles   []string `cel:"roles"`
}

// environment is the same for all expressions, and costly to make.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[principal]()),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		ext.Strings(ext.StringsVersion(4)),
		cel.Variable(variablePrincipal, cel.ObjectType("rules.principal")),
		cel.Variable(variableMethod, cel.StringType),
		cel.Variable(variableTool, cel.StringType),
		cel.Variable(variableArguments, cel.MapType(cel.StringType, cel.DynType)),
	)
})

// expression is a compiled expression.
type expression struct {
	program        cel.Program
	readsArguments bool
}

func compile(text string) (*expression, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("making environment: %w", err)
	}
	checked, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("it is of type %s, and must be of type bool", checked.OutputType())
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	return &expression{program: program, readsArguments: reads(checked.NativeRep(), variableArguments)}, nil
}

// reads reports whether a mentions the variable. A variable of a macro that has
// the same name counts too: to have looked at arguments in vain does no harm.
func reads(a *ast.AST, variable string) bool {
	isIt := func(e ast.NavigableExpr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == variable }
	return slices.ContainsFunc(ast.MatchDescendants(ast.NavigateAST(a), ast.AllMatcher()), isIt)
}

var (
	errArguments = errors.New("the arguments are not an object")
	errNotBool   = errors.New("the expression gave no bool")
)

// allows computes the expression for c.
func (e *expression) allows(c Call) (bool, error) {
	arguments, isObject := c.Arguments.(map[string]any)
	if c.Arguments != nil && !isObject && e.readsArguments {
		return false, errArguments
	}
	if arguments == nil {
		arguments = map[string]any{}
	}
	variables := variablesOf(c)
	variables[variableArguments] = arguments
	value, _, err := e.program.Eval(variables)
	if err != nil {
		return false, fmt.Errorf("computing expression: %w", err)
	}
	allowed, isBool := value.Value().(bool)
	if !isBool {
		return false, errNotBool
	}
	return allowed, nil
}

// mayAllow computes the expression for c with its arguments left open. An error
// is false: it would refuse every call.
func (e *expression) mayAllow(c Call) (allowed bool, cost uint64) {
	partial, err := cel.PartialVars(variablesOf(c), cel.AttributePattern(variableArguments))
	if err != nil {
		return false, maxCost
	}
	value, details, err := e.program.Eval(partial)
	if details != nil && details.ActualCost() != nil {
		cost = *details.ActualCost()
	}
	if err != nil {
		return false, cost
	}
	if types.IsUnknown(value) {
		return true, cost
	}
	allowed, _ = value.Value().(bool)
	return allowed, cost
}

func variablesOf(c Call) map[string]any {
	return map[string]any{
		variablePrincipal: principalOf(c.Principal),
		variableMethod:    c.Method,
		variableTool:      c.Tool,
	}
}

func principalOf(p adapters.Principal) *principal {
	return &principal{Subject: p.Subject, Issuer: p.Issuer, Name: p.Name, Roles: p.Roles}
}
