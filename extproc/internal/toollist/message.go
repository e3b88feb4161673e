// Package toollist leaves tools out of the answers to tools/list, in JSON and in
// event streams. What it cannot read it does not let pass. It knows nothing of
// who may see which tool: a function says so.
package toollist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Shows reports whether a tool may be seen. An error ends the filtering.
type Shows func(tool string) (bool, error)

// The members that are looked at.
const (
	memberResult = "result"
	memberTools  = "tools"
	memberName   = "name"
	memberScope  = "cacheScope"
)

// scopePrivate takes the place of what the server says of how its list may be
// cached: what one user sees is not for another.
const scopePrivate = `"private"`

var (
	errNotMessage = errors.New("not a JSON-RPC message")
	errAmbiguous  = errors.New("a name that differs in case alone from one with a meaning")
	errNotList    = errors.New("the tools are not a list")
)

// Message is text without the tools that may not be seen, where it is the
// answer to tools/list; any other JSON-RPC message is returned as it is. All
// bytes but those of the list stay the same. The error says why text cannot be
// read.
func Message(text []byte, shows Shows) ([]byte, error) {
	m := message{text: text, shows: shows, dec: jsontext.NewDecoder(bytes.NewReader(text))}
	if m.dec.PeekKind() != '{' {
		return nil, errNotMessage
	}
	if err := m.object(m.envelope); err != nil {
		return nil, fmt.Errorf("reading message: %w", err)
	}
	if _, err := m.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotMessage
	}
	return m.edited(), nil
}

// edit is a part of a text, and what takes its place.
type edit struct {
	from, to int64
	by       []byte
}

type message struct {
	text  []byte
	shows Shows
	dec   *jsontext.Decoder
	edits []edit
	lists bool
	scope *edit
}

// edited is the text with all edits.
func (m *message) edited() []byte {
	if !m.lists {
		return m.text
	}
	if m.scope != nil {
		m.edits = append(m.edits, *m.scope)
		if n := len(m.edits); n > 1 && m.edits[n-1].from < m.edits[0].from {
			m.edits[0], m.edits[1] = m.edits[1], m.edits[0]
		}
	}
	var out bytes.Buffer
	var at int64
	for _, e := range m.edits {
		out.Write(m.text[at:e.from])
		out.Write(e.by)
		at = e.to
	}
	out.Write(m.text[at:])
	return out.Bytes()
}

// object reads the object that comes next, and has member read each value.
func (m *message) object(member func(name string) error) error {
	if _, err := m.dec.ReadToken(); err != nil {
		return err
	}
	for m.dec.PeekKind() != '}' {
		token, err := m.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(token.String()); err != nil {
			return err
		}
	}
	_, err := m.dec.ReadToken()
	return err
}

func (m *message) envelope(name string) error {
	switch {
	case name == memberResult && m.dec.PeekKind() == '{':
		return m.object(m.result)
	case name != memberResult && strings.EqualFold(name, memberResult):
		return errAmbiguous
	}
	return m.dec.SkipValue()
}

func (m *message) result(name string) error {
	switch {
	case name == memberTools:
		return m.tools()
	case strings.EqualFold(name, memberTools):
		return errAmbiguous
	case name == memberScope:
		value, err := m.dec.ReadValue()
		if err != nil {
			return err
		}
		end := m.dec.InputOffset()
		m.scope = &edit{from: end - int64(len(value)), to: end, by: []byte(scopePrivate)}
		return nil
	}
	return m.dec.SkipValue()
}

// tools reads the list, and keeps of it what may be seen.
func (m *message) tools() error {
	if m.dec.PeekKind() != '[' {
		return errNotList
	}
	if _, err := m.dec.ReadToken(); err != nil {
		return err
	}
	from := m.dec.InputOffset() - 1
	kept := []byte{'['}
	for m.dec.PeekKind() != ']' {
		value, err := m.dec.ReadValue()
		if err != nil {
			return err
		}
		shown, err := m.shown(value)
		if err != nil {
			return err
		}
		if !shown {
			continue
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(kept, value...)
	}
	if _, err := m.dec.ReadToken(); err != nil {
		return err
	}
	m.lists = true
	m.edits = append(m.edits, edit{from: from, to: m.dec.InputOffset(), by: append(kept, ']')})
	return nil
}

// shown reports whether the tool may be seen. One without a name that all
// parsers read alike may not.
func (m *message) shown(tool jsontext.Value) (bool, error) {
	if tool.Kind() != '{' {
		return false, nil
	}
	inner := message{dec: jsontext.NewDecoder(bytes.NewReader(tool))}
	name, named := "", false
	err := inner.object(func(member string) error {
		switch {
		case member == memberName && inner.dec.PeekKind() == '"':
			token, err := inner.dec.ReadToken()
			name, named = token.String(), true
			return err
		case strings.EqualFold(member, memberName):
			return errAmbiguous
		}
		return inner.dec.SkipValue()
	})
	if errors.Is(err, errAmbiguous) {
		return false, nil
	}
	if err != nil || !named {
		return false, err
	}
	return m.shows(name)
}
