package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// maxHead is how much of a message is looked at to find its id in.
const maxHead = 64 << 10

// messageKey is the context key of the request's message.
type messageKey struct{}

// readMessage is r with its whole message in memory. Envoy sends it in chunks of
// no announced length, which many servers cannot read; now it has one.
func readMessage(w http.ResponseWriter, r *http.Request, limit int64) (*http.Request, error) {
	var message bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= limit {
		message.Grow(int(r.ContentLength))
	}
	if _, err := io.Copy(&message, http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	r = r.WithContext(context.WithValue(r.Context(), messageKey{}, message.Bytes()))
	r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, int64(message.Len()), nil
	if message.Len() > 0 {
		r.Body = io.NopCloser(&message)
	}
	return r, nil
}

// requestID is the raw id of the request, so that an error can be answered with
// it; nil where there is none.
func requestID(r *http.Request) []byte {
	message, _ := r.Context().Value(messageKey{}).([]byte)
	rawID, _ := jsonrpc.PartialID(message[:min(len(message), maxHead)])
	return rawID
}
