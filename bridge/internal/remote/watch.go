package remote

import (
	"bytes"
	"io"
	"net/http"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// watch reads a stream of the server for the client, unchanged, and notes which
// requests it answers. A stream that ends without the answer to its request,
// and that the client cannot resume since its events have no ids, gets an error
// as its last event: without one the client would wait for ever.
type watch struct {
	io.ReadCloser
	s     *session
	rawID []byte // of the request that the stream answers, nil for other streams
	line  []byte // the beginning of the line that is being read
	named bool   // events have ids
	done  bool   // the request has its answer
	tail  io.Reader
}

// watchAnswer makes resp noted for the session.
func watchAnswer(resp *http.Response, s *session, rawID []byte) {
	if rawID != nil {
		s.began(rawID)
	}
	resp.Body = &watch{ReadCloser: resp.Body, s: s, rawID: rawID}
}

// Read implements io.Reader.
func (w *watch) Read(p []byte) (int, error) {
	if w.tail != nil {
		return w.tail.Read(p)
	}
	n, err := w.ReadCloser.Read(p)
	w.scan(p[:n])
	if err == nil || w.rawID == nil || w.done || w.named {
		return n, err
	}
	w.s.answered(w.rawID)
	w.tail = bytes.NewReader([]byte("\n\nevent: message\ndata: " + string(jsonrpc.ErrorResponse(w.rawID, jsonrpc.CodeInternal, cutMessage)) + "\n\n"))
	if n > 0 {
		return n, nil
	}
	return w.tail.Read(p)
}

func (w *watch) scan(text []byte) {
	for len(text) > 0 {
		end := bytes.IndexAny(text, "\r\n")
		if end < 0 {
			w.keep(text)
			return
		}
		w.keep(text[:end])
		w.judge()
		w.line, text = w.line[:0], text[end+1:]
	}
}

// keep adds to the line, of which the beginning is enough.
func (w *watch) keep(text []byte) {
	w.line = append(w.line, text[:min(len(text), maxHead-len(w.line))]...)
}

func (w *watch) judge() {
	if bytes.HasPrefix(w.line, []byte("id:")) {
		w.named = true
	}
	data, ok := bytes.CutPrefix(w.line, []byte("data:"))
	if !ok {
		return
	}
	rawID, kind := jsonrpc.PartialID(data)
	if kind != jsonrpc.Response {
		return
	}
	w.s.answered(rawID)
	w.done = w.done || bytes.Equal(rawID, w.rawID)
}
