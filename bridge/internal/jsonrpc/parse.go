package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrBatch: the text is an array. Batches are refused: only one version of the
// protocol had them, and no message in one could be routed by itself.
var ErrBatch = errors.New("JSON-RPC batches are not supported")

// Parse reads the envelope of what a client sent. Whatever two parsers could
// read differently is an error: duplicate keys at any level, envelope keys in
// other letter case, invalid UTF-8, more than one value.
func Parse(text []byte) (Message, error) {
	return parse(text, true)
}

// ParseLenient reads the envelope of what a server wrote. It takes duplicate
// keys and invalid UTF-8, which are the client's to judge.
func ParseLenient(text []byte) (Message, error) {
	return parse(text, false, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// PartialID returns the id, as it stands, in the beginning of a message that
// was cut off, and what kind the message is so far: a message with an id and no
// method yet counts as a Response. It returns nil where the cut came before.
func PartialID(prefix []byte) (rawID []byte, kind Kind) {
	p := &parser{text: prefix, dec: newDecoder(prefix, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	// The error says only that the message is not whole.
	_ = p.envelope()
	if p.msg.RawID == nil {
		return nil, Invalid
	}
	if p.msg.Method != "" {
		return p.msg.RawID, Request
	}
	return p.msg.RawID, Response
}

type parser struct {
	text   []byte
	dec    *jsontext.Decoder
	strict bool
	msg    Message

	version            string
	hasResult, hasNull bool
}

func newDecoder(text []byte, opts ...jsontext.Options) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), opts...)
}

func parse(text []byte, strict bool, opts ...jsontext.Options) (Message, error) {
	p := &parser{text: text, dec: newDecoder(text, opts...), strict: strict}
	switch p.dec.PeekKind() {
	case '[':
		return Message{}, ErrBatch
	case '{':
	default:
		if _, err := p.dec.ReadToken(); err != nil {
			return Message{}, fmt.Errorf("parsing message: %w", plain(err))
		}
		return Message{}, errors.New("parsing message: not a JSON object")
	}
	if err := p.envelope(); err != nil {
		return Message{}, fmt.Errorf("parsing message: %w", plain(err))
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return Message{}, errors.New("parsing message: text after its end")
	}
	return p.judge()
}

// plain drops jsontext's description of the position, which quotes the input.
func plain(err error) error {
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return jsontext.ErrDuplicateName
	case errors.As(err, &syntactic), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON")
	}
	return err
}

// judge says what the envelope's parts make together.
func (p *parser) judge() (Message, error) {
	m := p.msg
	switch {
	case p.version != "2.0":
		return Message{}, errors.New(`"jsonrpc" must be "2.0"`)
	case m.Method != "" && (p.hasResult || m.Failed):
		return Message{}, errors.New("a message with a method cannot have a result or an error")
	case m.Method != "" && p.hasNull:
		return Message{}, errors.New("a request's id must not be null")
	case m.Method != "" && m.ID != "":
		m.Kind = Request
	case m.Method != "":
		m.Kind = Notification
	case p.hasResult == m.Failed:
		return Message{}, errors.New("a message must have a method, a result or an error")
	case m.ID == "" && !m.Failed:
		return Message{}, errors.New("a response must have an id")
	default:
		m.Kind = Response
	}
	return m, nil
}

func (p *parser) envelope() error {
	return p.object(func(key string) error {
		switch key {
		case "jsonrpc":
			return p.stringTo(&p.version)
		case "id":
			return p.id()
		case "method":
			return p.method()
		case "params":
			return p.inside(p.param)
		case "result":
			p.hasResult = true
			return p.inside(p.resultField)
		case "error":
			p.msg.Failed = true
			return p.dec.SkipValue()
		}
		if p.strict {
			for _, name := range []string{"jsonrpc", "id", "method", "params", "result", "error"} {
				if strings.EqualFold(key, name) {
					return fmt.Errorf("key %q must be written %q", key, name)
				}
			}
		}
		return p.dec.SkipValue()
	})
}

func (p *parser) param(key string) error {
	switch key {
	case "_meta":
		return p.inside(p.meta)
	case "progressToken":
		return p.idTo(&p.msg.ProgressToken)
	case "requestId":
		return p.idTo(&p.msg.RequestID)
	case "protocolVersion":
		return p.stringTo(&p.msg.ProtocolVersion)
	case "name":
		return p.stringTo(&p.msg.Name)
	}
	return p.dec.SkipValue()
}

func (p *parser) meta(key string) error {
	switch key {
	case "progressToken":
		return p.idTo(&p.msg.ProgressToken)
	case metaProtocolVersion:
		return p.stringTo(&p.msg.MetaVersion)
	}
	return p.dec.SkipValue()
}

func (p *parser) resultField(key string) error {
	switch key {
	case "protocolVersion":
		return p.stringTo(&p.msg.ProtocolVersion)
	case "isError":
		tok, err := p.scalar()
		p.msg.IsError = err == nil && tok.Kind() == 't'
		return err
	}
	return p.dec.SkipValue()
}

// object reads an object, calling field with each key; field must consume the
// value.
func (p *parser) object(field func(key string) error) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		key, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := field(key.String()); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// inside is object for a value that may be something else, which it skips.
func (p *parser) inside(field func(key string) error) error {
	if p.dec.PeekKind() != '{' {
		return p.dec.SkipValue()
	}
	return p.object(field)
}

// scalar reads a value; what is no string, number or literal is skipped and
// comes back as null.
func (p *parser) scalar() (jsontext.Token, error) {
	if kind := p.dec.PeekKind(); kind == '{' || kind == '[' {
		return jsontext.Null, p.dec.SkipValue()
	}
	return p.dec.ReadToken()
}

func (p *parser) stringTo(to *string) error {
	tok, err := p.scalar()
	if err == nil && tok.Kind() == '"' {
		*to = tok.String()
	}
	return err
}

func (p *parser) idTo(to *ID) error {
	tok, err := p.scalar()
	if err == nil {
		*to = canonical(tok)
	}
	return err
}

func (p *parser) id() error {
	kind := p.dec.PeekKind()
	value, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	switch kind {
	case '"', '0':
	case 'n':
		p.hasNull = true
		return nil
	default:
		return errors.New("an id must be a string or a number")
	}
	end := int(p.dec.InputOffset())
	p.msg.RawID = p.text[end-len(value) : end]
	tok, err := newDecoder(p.msg.RawID, jsontext.AllowInvalidUTF8(true)).ReadToken()
	if err != nil {
		return err
	}
	p.msg.ID = canonical(tok)
	return nil
}

func (p *parser) method() error {
	if p.dec.PeekKind() != '"' {
		return errors.New("a method must be a string")
	}
	if err := p.stringTo(&p.msg.Method); err != nil {
		return err
	}
	if p.msg.Method == "" {
		return errors.New("a method must not be empty")
	}
	return nil
}

// canonical is the ID of a string or number, and empty for anything else.
// Whole numbers keep all their digits; only others go through a float.
func canonical(tok jsontext.Token) ID {
	switch tok.Kind() {
	case '"':
		return ID(`"` + tok.String())
	case '0':
		text := tok.String()
		if strings.ContainsAny(text, ".eE") {
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				text = strconv.FormatFloat(f, 'f', -1, 64)
			}
		}
		return ID(text)
	}
	return ""
}
