package inspect

import "strings"

// classify says what kind of message it was, once all of it is known.
func (p *parser) classify() error {
	switch {
	case !p.version:
		return invalid("The jsonrpc member is not \"2.0\".")
	case p.hasMethod && (p.hasResult || p.hasError):
		return invalid("The message is a request and a response at once.")
	case p.hasMethod && p.nullID:
		return invalid("The id of a request must not be null.")
	case p.hasMethod && p.hasID:
		p.out.Kind = Request
	case p.hasMethod:
		p.out.Kind = Notification
	case p.hasResult == p.hasError:
		return invalid("The message is neither a request nor a response.")
	case p.hasParams:
		return invalid("A response has no params.")
	case p.hasResult && p.out.ID == nil:
		return invalid("A response needs the id of its request.")
	default:
		p.out.Kind = Response
	}
	return nil
}

// applyName finds what the method is applied to. Only here is the method known
// for sure: it may stand behind the params. Methods without such a field may
// call their params what they like.
func (p *parser) applyName() error {
	want := nameField(p.out.Method)
	if p.out.Method == methodCallTool {
		p.out.Arguments = p.arguments
	}
	if want == "" {
		return nil
	}
	for i, name := range paramNames {
		f := p.fields[i]
		switch {
		case f.variant && (name == want || name == argumentsName):
			return ambiguous()
		case name != want || !f.seen:
		case !f.isString:
			return &Fault{Reason: FaultParams, Code: CodeInvalidParams, Message: "params." + want + " is not a string."}
		default:
			p.out.Name, p.out.HasName = f.value, true
		}
	}
	return nil
}

// text reads the value that comes next, and its text where it is a string.
func (p *parser) text() (value string, isString bool, err error) {
	if p.dec.PeekKind() != '"' {
		return "", false, p.skip()
	}
	token, err := p.dec.ReadToken()
	if err != nil {
		return "", false, err
	}
	return token.String(), true, nil
}

// skip reads the value that comes next and forgets it, token by token: reading
// it whole would hold it in memory, and has no limit of depth of our own.
func (p *parser) skip() error {
	base := p.dec.StackDepth()
	for {
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		switch depth := p.dec.StackDepth(); {
		case depth > p.depth:
			return &Fault{Reason: FaultDepth, Code: CodeInvalidRequest, Message: "The body is nested too deeply."}
		case depth <= base:
			return nil
		}
	}
}

// wrong is the fault for a value of the wrong type, or what is wrong with the
// JSON there.
func (p *parser) wrong(message string) error {
	if err := p.skip(); err != nil {
		return err
	}
	return invalid(message)
}

func ambiguous() *Fault {
	return &Fault{Reason: FaultUnsafe, Code: CodeInvalidRequest, Message: "A name in the body differs only in case from one that has a meaning."}
}

// likeOneOf reports whether name is one of names but for case, by the folding
// of Unicode that encoding/json uses too.
func likeOneOf(name string, names []string) bool {
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
