package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what an Inspector accepts. A zero field means its default.
type Limits struct {
	// Bytes is the size of the body. 4 MiB by default.
	Bytes int64
	// Depth is how deep objects and arrays nest. 128 by default.
	Depth int
}

const (
	defaultBytes = 4 << 20
	defaultDepth = 128
	// maxID bounds the id, which goes back in refusals.
	maxID = 1 << 10
	// maxMethod bounds the method's name.
	maxMethod = 256
	// keep bounds the body after which a decoder is used again: a larger one
	// has grown buffers that should not stay.
	keep = 128 << 10
)

// Inspector inspects bodies. It is safe for use by several goroutines.
type Inspector struct {
	limits   Limits
	decoders sync.Pool
}

// New makes an Inspector.
func New(limits Limits) *Inspector {
	if limits.Bytes == 0 {
		limits.Bytes = defaultBytes
	}
	if limits.Depth == 0 {
		limits.Depth = defaultDepth
	}
	return &Inspector{limits: limits}
}

// Read reads one JSON-RPC message from body, to its end. A *bytes.Buffer is read
// where it lies, without a copy, and must not change meanwhile. The error has a *Fault
// in its chain where the body is to be refused; any other error is the
// reader's. After an error the rest of body is unread.
func (i *Inspector) Read(body io.Reader) (Message, error) { return i.read(body, false) }

// ReadWithArguments is Read for those who judge a call's arguments: it keeps
// them too, and refuses those that parsers could read differently.
func (i *Inspector) ReadWithArguments(body io.Reader) (Message, error) { return i.read(body, true) }

func (i *Inspector) read(body io.Reader, keepArguments bool) (Message, error) {
	decoder, _ := i.decoders.Get().(*jsontext.Decoder)
	if decoder == nil {
		decoder = new(jsontext.Decoder)
	}
	source := &limited{body: body, left: i.limits.Bytes}
	if whole, ok := body.(*bytes.Buffer); ok && int64(whole.Len()) <= i.limits.Bytes {
		source.read = whole.Len() > 0
		decoder.Reset(whole)
	} else {
		decoder.Reset(source)
	}
	p := parser{dec: decoder, depth: i.limits.Depth, keepArguments: keepArguments}
	err := p.message()
	if decoder.InputOffset() <= keep {
		decoder.Reset(eof{}) // lets go of body
		i.decoders.Put(decoder)
	}
	if err != nil {
		return Message{}, p.fault(err, source.read)
	}
	return p.out, nil
}

// ReadNothing reads a body that must be empty: that of GET and DELETE.
func (i *Inspector) ReadNothing(body io.Reader) error {
	var b [1]byte
	_, err := io.ReadFull(body, b[:])
	switch {
	case err == nil:
		return invalid("A request with this method must not have a body.")
	case errors.Is(err, io.EOF):
		return nil
	}
	return fmt.Errorf("reading body: %w", err)
}

// fault turns what the decoder says into what the client is told.
func (p *parser) fault(err error, read bool) error {
	f := new(Fault)
	switch {
	case errors.As(err, &f):
	case errors.Is(err, jsontext.ErrDuplicateName):
		f = &Fault{Reason: FaultUnsafe, Code: CodeInvalidRequest, Message: "An object in the body has a name twice."}
	case !read && errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f = &Fault{Reason: FaultEmpty, Code: CodeParse, Message: "The body is empty."}
	case errors.As(err, new(*jsontext.SyntacticError)):
		f = &Fault{Reason: FaultSyntax, Code: CodeParse, Message: "The body is not strict JSON in UTF-8."}
	default:
		return fmt.Errorf("reading body: %w", err)
	}
	f.ID = p.out.ID
	return f
}

// limited ends with a Fault where a body is longer than allowed.
type limited struct {
	body io.Reader
	left int64
	read bool
}

// Read implements io.Reader.
func (l *limited) Read(b []byte) (int, error) {
	n, err := l.body.Read(b)
	l.read = l.read || n > 0
	if l.left -= int64(n); l.left < 0 {
		return 0, TooLarge()
	}
	return n, err
}

// AtMost is body up to a size below the Inspector's own: behind it, reading ends
// with the fault TooLarge.
func AtMost(body io.Reader, bytes int64) io.Reader { return &limited{body: body, left: bytes} }

// TooLarge is the fault of a body that is longer than allowed.
func TooLarge() *Fault {
	return &Fault{Reason: FaultTooLarge, Code: CodeInvalidRequest, Message: "The body is too large."}
}

type eof struct{}

// Read implements io.Reader.
func (eof) Read([]byte) (int, error) { return 0, io.EOF }
