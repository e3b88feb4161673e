package server

import (
	"bytes"
	"errors"
	"io"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

// body is the body of a request as a reader: reading takes the next message
// from the stream, so that nothing is kept and no goroutine is needed.
type body struct {
	stream extprocv3.ExternalProcessor_ProcessServer
	rest   []byte
	ended  bool
	// pieces is how many messages there were, each of which needs an answer
	// if the stream goes on.
	pieces int
	// broken is the error that the stream ended with.
	broken error
	// failed is what whole met, for Read to tell.
	failed error
	// pause bounds how long it may take until the next piece is there.
	pause pause
}

// whole is the body where it comes in one piece, as most do, which spares a
// copy. It is nil where more is to come, or none can be read: then Read tells
// of it. Length is what the head says of the body's; only where a first piece has
// it is the end worth waiting for, which Envoy sends as an empty piece of its
// own. Only before Read.
func (b *body) whole(length int) *bytes.Buffer {
	if !b.ended {
		b.failed = b.next()
	}
	if first := b.rest; !b.ended && b.failed == nil && len(first) == length {
		b.rest = nil
		b.failed = b.next()
		b.rest = append(first, b.rest...)
	}
	if !b.ended || b.failed != nil {
		return nil
	}
	return bytes.NewBuffer(b.rest)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.failed != nil {
			return 0, b.failed
		}
		if b.ended {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

var errNoBody = errors.New("neither body nor trailers follow the head of a request")

func (b *body) next() error {
	b.pause.begin()
	message, err := b.stream.Recv()
	if late := b.pause.end(); late {
		err = errLate
	}
	if err != nil {
		b.broken = err
		return err
	}
	if message.GetRequestTrailers() != nil {
		b.ended = true
		return inspect.Trailers()
	}
	if head := message.GetResponseHeaders(); head != nil {
		// Nothing has gone upstream yet: the answer is Envoy's own.
		status, _ := responseOf(head)
		return decide.Answered{Status: status}
	}
	piece := message.GetRequestBody()
	if piece == nil {
		return errNoBody
	}
	b.pieces++
	b.rest, b.ended = piece.Body, piece.EndOfStream
	return nil
}

// over is the error of a stream that ends. That Envoy or its client went away
// is none.
func over(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, errLate) || status.Code(err) == codes.Canceled {
		return nil
	}
	return err
}
