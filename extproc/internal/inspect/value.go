package inspect

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// value reads the value that comes next and keeps it. Whoever judges arguments
// by their names must see those that the server sees: two names that differ in
// case alone are refused, since a server may read the one as the other.
func (p *parser) value() (any, error) {
	token, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if p.dec.StackDepth() > p.depth {
		return nil, &Fault{Reason: FaultDepth, Code: CodeInvalidRequest, Message: "The body is nested too deeply."}
	}
	switch token.Kind() {
	case '{':
		return p.members()
	case '[':
		return p.elements()
	case '"':
		return token.String(), nil
	case '0':
		return number(token)
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil
}

func (p *parser) members() (any, error) {
	object, folded := map[string]any{}, map[string]bool{}
	for p.dec.PeekKind() != '}' {
		token, err := p.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if key := fold(name); folded[key] {
			return nil, &Fault{Reason: FaultUnsafe, Code: CodeInvalidRequest, Message: "Two names in the arguments differ only in case."}
		} else {
			folded[key] = true
		}
		if object[name], err = p.value(); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.ReadToken()
	return object, err
}

func (p *parser) elements() (any, error) {
	list := []any{}
	for p.dec.PeekKind() != ']' {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := p.dec.ReadToken()
	return list, err
}

// number is a whole number as it is where it fits, and any other as most
// parsers read it. One that is beyond those is refused.
func number(token jsontext.Token) (any, error) {
	text := token.String()
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, &Fault{Reason: FaultUnsafe, Code: CodeInvalidRequest, Message: "A number in the arguments is too large."}
	}
	return value, nil
}

// fold is the same for all texts that differ in case alone, by the folding of
// Unicode that strings.EqualFold uses.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, text)
}
