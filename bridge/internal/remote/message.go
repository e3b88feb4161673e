package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const (
	// maxHead is how much of a message is looked at to find its id in.
	maxHead = 64 << 10
	// maxDiscarded is how much of an answer that nobody wants is read, so that
	// its connection can be used again.
	maxDiscarded = 64 << 10
)

// exchangeKey is the context key of the request's exchange.
type exchangeKey struct{}

// exchange is one request of a client, with what belongs to it.
type exchange struct {
	in      *http.Request // as it came
	message []byte
	msg     jsonrpc.Message // of message, where that is worth being parsed
	tally   *tally          // nil where the answer says nothing that is looked for
	session *session        // nil where it names none, or sessions are the server's affair

	// served is the span of the client's message, and asked that of the request to
	// the server.
	served, asked tracing.Span
}

// exchangeOf is what the request was made of.
func exchangeOf(r *http.Request) exchange {
	e, _ := r.Context().Value(exchangeKey{}).(exchange)
	return e
}

// with is the request as the exchange's.
func (e exchange) with(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
}

// readMessage is r with its whole message in memory. Envoy sends it in chunks of
// no announced length, which many servers cannot read; now it has one, and can
// be sent again.
func readMessage(w http.ResponseWriter, r *http.Request, limit int64) (*http.Request, error) {
	var message bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= limit {
		message.Grow(int(r.ContentLength))
	}
	if _, err := io.Copy(&message, http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	r = exchange{in: r, message: message.Bytes()}.with(r)
	r.TransferEncoding = nil
	setBody(r, message.Bytes())
	return r, nil
}

func setBody(r *http.Request, message []byte) {
	r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, int64(len(message))
	if len(message) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(message)), nil }
		r.Body = io.NopCloser(bytes.NewReader(message))
	}
}

// errNoBody: a request cannot be sent again.
var errNoBody = errors.New("the message is not there any more")

// rewound is the request with its whole message to be sent again.
func rewound(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case req.GetBody == nil:
		return nil, errNoBody
	default:
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		again.Body = body
	}
	return again, nil
}

// requestID is the raw id of the request, so that an error can be answered with
// it; nil where there is none.
func requestID(r *http.Request) []byte {
	message := exchangeOf(r).message
	rawID, _ := jsonrpc.PartialID(message[:min(len(message), maxHead)])
	return rawID
}

// discard gives the connection of an answer back.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscarded)
	_ = resp.Body.Close()
}
