package jsonrpc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

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
			return p.spanned(&p.msg.At.Params, p.param)
		case "result":
			p.hasResult = true
			return p.spanned(&p.msg.At.Result, p.resultField)
		case "error":
			p.msg.Failed = true
			return p.inside(p.errorField)
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
		return p.spanned(&p.msg.At.Meta, p.meta)
	case "progressToken":
		return p.idTo(&p.plainToken.id, &p.plainToken.at)
	case "requestId":
		return p.idTo(&p.msg.RequestID, &p.msg.At.RequestID)
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
		return p.idTo(&p.msg.ProgressToken, &p.msg.At.ProgressToken)
	case metaLogLevel:
		return p.stringTo(&p.msg.LogLevel)
	case metaSubscription:
		return p.idTo(&p.msg.SubscriptionID, &p.msg.At.SubscriptionID)
	case metaProtocolVersion:
		return p.stringTo(&p.msg.MetaVersion)
	case metaTraceparent:
		return p.traceTo(&p.msg.Traceparent, &p.msg.At.Traceparent)
	case metaTracestate:
		return p.traceTo(&p.msg.Tracestate, &p.msg.At.Tracestate)
	}
	return p.dec.SkipValue()
}

func (p *parser) resultField(key string) error {
	switch key {
	case "_meta":
		return p.inside(p.meta)
	case "protocolVersion":
		return p.stringTo(&p.msg.ProtocolVersion)
	case "supportedVersions":
		p.msg.Modern = true
		return p.dec.SkipValue()
	case "isError":
		tok, err := p.scalar()
		p.msg.IsError = err == nil && tok.Kind() == 't'
		return err
	}
	return p.dec.SkipValue()
}

func (p *parser) errorField(key string) error {
	switch key {
	case "code":
		tok, err := p.scalar()
		if err == nil && tok.Kind() == '0' {
			// What is no whole number, or too large, is no code that means anything.
			p.msg.ErrorCode, _ = strconv.Atoi(tok.String())
		}
		return err
	case "message":
		return p.stringTo(&p.msg.ErrorMessage)
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

// spanned is inside, and notes where the value stands.
func (p *parser) spanned(at *Span, field func(key string) error) error {
	begin := p.nextValue()
	if err := p.inside(field); err != nil {
		return err
	}
	*at = Span{begin, int(p.dec.InputOffset())}
	return nil
}

// nextValue is where the value begins whose key was just read. It must not be
// called where there may be none.
func (p *parser) nextValue() int {
	begin := int(p.dec.InputOffset())
	for begin < len(p.text) && strings.IndexByte(" \t\r\n:", p.text[begin]) >= 0 {
		begin++
	}
	return begin
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

func (p *parser) idTo(to *ID, at *Span) error {
	begin := p.nextValue()
	tok, err := p.scalar()
	if err != nil {
		return err
	}
	if *to = canonical(tok); *to == "" {
		*at = Span{}
		return nil
	}
	*at = Span{begin, int(p.dec.InputOffset())}
	return nil
}

// traceTo reads a part of a trace context, which may be of any kind.
func (p *parser) traceTo(to *string, at *Span) error {
	begin := p.nextValue()
	tok, err := p.scalar()
	if err != nil {
		return err
	}
	if tok.Kind() == '"' {
		if text := tok.String(); len(text) <= maxTrace {
			*to = text
		}
	}
	*at = Span{begin, int(p.dec.InputOffset())}
	return nil
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
	p.msg.At.ID = Span{end - len(value), end}
	p.msg.RawID = p.msg.At.ID.Of(p.text)
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
