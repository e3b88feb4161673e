package remote

import (
	"io"
	"net/http"
	"sync"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// maxHead is how much of a message is kept to find its id in.
const maxHead = 64 << 10

// headReader remembers the beginning of a body that is passed on, so that an
// error can be answered with the request's id. The transport may still read
// while that happens.
type headReader struct {
	io.ReadCloser

	mu   sync.Mutex
	head []byte
}

// headKey is the context key of the request's headReader.
type headKey struct{}

// Read implements io.Reader.
func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head = append(h.head, p[:min(n, maxHead-len(h.head))]...)
	return n, err
}

// requestID is the raw id of the request whose body was read, as far as it was;
// nil where there is none.
func requestID(r *http.Request) []byte {
	h, ok := r.Context().Value(headKey{}).(*headReader)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	rawID, _ := jsonrpc.PartialID(h.head)
	return rawID
}
