package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"

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
	// plainToken is params.progressToken, which only counts in notifications: in
	// a request it is some method's own field.
	plainToken struct {
		id ID
		at Span
	}
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
		m.ProgressToken, m.At.ProgressToken = p.plainToken.id, p.plainToken.at
	case p.hasResult == m.Failed:
		return Message{}, errors.New("a message must have a method, a result or an error")
	case m.ID == "" && !m.Failed:
		return Message{}, errors.New("a response must have an id")
	default:
		m.Kind = Response
	}
	return m, nil
}
