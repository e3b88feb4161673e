package mcphttp

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// writeTimeout is how long a client may take to read what was written to it.
const writeTimeout = 2 * time.Minute

// sseWriter writes an event stream. It notices a client that no longer reads.
type sseWriter struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	b  bytes.Buffer
}

// newSSE sends the headers of an event stream.
func newSSE(w http.ResponseWriter) *sseWriter {
	w.Header().Set("Content-Type", typeSSE)
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	// Tells proxies that buffer by default (nginx) not to.
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &sseWriter{w: w, rc: http.NewResponseController(w)}
}

// event adds a message. Data has no line breaks. An empty id is left out.
func (s *sseWriter) event(id string, data []byte) {
	if id != "" {
		s.b.WriteString("id: ")
		s.b.WriteString(id)
		s.b.WriteByte('\n')
	}
	s.b.WriteString("event: message\ndata: ")
	s.b.Write(data)
	s.b.WriteString("\n\n")
}

// prime adds an event without data, which gives the client an id to resume
// from, and how long to wait before it does.
func (s *sseWriter) prime(id string, retry time.Duration) {
	s.b.WriteString("id: ")
	s.b.WriteString(id)
	s.b.WriteString("\nretry: ")
	s.b.WriteString(strconv.FormatInt(retry.Milliseconds(), 10))
	s.b.WriteString("\ndata: \n\n")
}

func (s *sseWriter) comment(text string) {
	s.b.WriteString(": ")
	s.b.WriteString(text)
	s.b.WriteString("\n\n")
}

// close frees the connection for what comes after the stream.
func (s *sseWriter) close() { _ = s.rc.SetWriteDeadline(time.Time{}) }

// flush sends what was added.
func (s *sseWriter) flush() error {
	if s.b.Len() == 0 {
		return nil
	}
	// Not every ResponseWriter has deadlines; a server's own does.
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.w.Write(s.b.Bytes()); err != nil {
		return err
	}
	if s.b.Cap() > 64<<10 {
		s.b = bytes.Buffer{}
	}
	s.b.Reset()
	return s.rc.Flush()
}
