package inspect

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// parser reads one message.
type parser struct {
	dec   *jsontext.Decoder
	depth int
	out   Message

	keepArguments bool
	arguments     any

	version                             bool // jsonrpc was "2.0"
	hasID, hasMethod, hasParams, nullID bool
	hasResult, hasError                 bool
	fields                              [len(paramNames)]field
}

// field is one of paramNames as it was found in params.
type field struct {
	seen, isString, variant bool
	value                   string
}

// The keys that are judged. A key that differs from one of them in case alone
// is refused: some parsers would take it for the key itself.
var (
	envelopeNames = [...]string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramNames    = [...]string{"name", "uri", "taskId", argumentsName}
)

const (
	metaName      = "_meta"
	argumentsName = "arguments"
	versionName   = "io.modelcontextprotocol/protocolVersion"
)

// message reads the whole body.
func (p *parser) message() error {
	switch p.dec.PeekKind() {
	case '[':
		return &Fault{Reason: FaultBatch, Code: CodeInvalidRequest, Message: "Batches are not supported."}
	case '{':
	default:
		if err := p.skip(); err != nil {
			return err
		}
		return invalid("The body is not a JSON-RPC message.")
	}
	if err := p.object(p.envelope); err != nil {
		return err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			return &Fault{Reason: FaultSyntax, Code: CodeParse, Message: "The body goes on after its message."}
		}
		return err
	}
	if err := p.classify(); err != nil {
		return err
	}
	return p.applyName()
}

// object reads the object that comes next, and calls member for each of its
// names, which must read the value.
func (p *parser) object(member func(name string) error) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for {
		token, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if token.Kind() == '}' {
			return nil
		}
		if err := member(token.String()); err != nil {
			return err
		}
	}
}

// envelope reads one member of the message itself.
func (p *parser) envelope(name string) error {
	switch name {
	case "jsonrpc":
		text, isString, err := p.text()
		p.version = isString && text == "2.0"
		return err
	case "id":
		return p.id()
	case "method":
		text, isString, err := p.text()
		if err == nil && (!isString || text == "" || len(text) > maxMethod) {
			return invalid("The method is not a string of at most 256 bytes.")
		}
		p.hasMethod, p.out.Method = true, text
		return err
	case "params":
		return p.params()
	case "result":
		p.hasResult = true
		return p.skip()
	case "error":
		p.hasError = true
		if p.dec.PeekKind() != '{' {
			return p.wrong("The error is not an object.")
		}
		return p.skip()
	}
	if likeOneOf(name, envelopeNames[:]) {
		return ambiguous()
	}
	return p.skip()
}

// id keeps the id as it stands.
func (p *parser) id() error {
	p.hasID = true
	switch p.dec.PeekKind() {
	case 'n':
		p.nullID = true
		return p.skip()
	case '"', '0':
	default:
		return p.wrong("The id is neither a string nor a number.")
	}
	value, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	if len(value) > maxID {
		return invalid("The id is longer than 1024 bytes.")
	}
	p.out.ID = bytes.Clone(value)
	return nil
}

// params reads what a method is applied to, and _meta.
func (p *parser) params() error {
	switch p.dec.PeekKind() {
	case '{':
		p.hasParams = true
		return p.object(p.param)
	case 'n':
		return p.skip()
	}
	return p.wrong("The params are not an object.")
}

func (p *parser) param(name string) error {
	if name == metaName {
		switch p.dec.PeekKind() {
		case '{':
			return p.object(p.meta)
		case 'n':
			return p.skip()
		}
		return p.wrong("The _meta of params is not an object.")
	}
	if name == argumentsName && p.keepArguments {
		var err error
		p.arguments, err = p.value()
		return err
	}
	for i, known := range paramNames {
		if name == known {
			text, isString, err := p.text()
			p.fields[i].seen, p.fields[i].isString, p.fields[i].value = true, isString, text
			return err
		}
		if strings.EqualFold(name, known) {
			p.fields[i].variant = true
			return p.skip()
		}
	}
	if strings.EqualFold(name, metaName) {
		return ambiguous()
	}
	return p.skip()
}

func (p *parser) meta(name string) error {
	switch name {
	case "traceparent":
		return p.shortText(&p.out.Traceparent)
	case "tracestate":
		return p.shortText(&p.out.Tracestate)
	}
	if name == versionName {
		text, isString, err := p.text()
		if err == nil && (!isString || text == "") {
			return &Fault{Reason: FaultParams, Code: CodeInvalidParams, Message: "The protocol version in _meta is not a string."}
		}
		p.out.ProtocolVersion = text
		return err
	}
	if strings.EqualFold(name, versionName) {
		return ambiguous()
	}
	return p.skip()
}

// maxTrace is the longest tracestate that W3C's trace context asks anybody to
// pass on.
const maxTrace = 512

// shortText keeps a string that nothing is decided by. Any other value means
// nothing.
func (p *parser) shortText(to *string) error {
	text, isString, err := p.text()
	if isString && len(text) <= maxTrace {
		*to = text
	}
	return err
}
