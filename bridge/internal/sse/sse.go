// Package sse reads event streams (text/event-stream, as the HTML standard has
// it) of servers elsewhere. It knows nothing of what is in the events.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Event is one event of a stream.
type Event struct {
	// Name is its type, "message" where the stream does not say.
	Name string
	// ID is the newest id that the stream has set, by this event or before.
	ID string
	// Data are its lines, joined by line feeds. An event without data is none,
	// but for its id.
	Data []byte
}

// ErrTooLong is for an event that is longer than the reader may take.
var ErrTooLong = errors.New("an event is too long")

// Reader reads events one after the other.
type Reader struct {
	in    *bufio.Reader
	limit int
	began bool // past where a byte order mark may be
	cr    bool // the last line ended in CR, of which LF may be the other half
	id    string
}

// NewReader returns a Reader for events of at most limit bytes of lines.
func NewReader(in io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReader(in), limit: limit}
}

// Next returns the next event that has data. At the end of the stream it returns
// an error, io.EOF where nothing went wrong; what was not completed by an empty
// line is dropped, as the standard wants it.
func (r *Reader) Next() (Event, error) {
	e := Event{Name: "message"}
	has, size := false, 0
	for {
		line, err := r.line(r.limit - size)
		if err != nil {
			return Event{}, err
		}
		size += len(line) + 1
		if len(line) == 0 {
			if has {
				e.ID = r.id
				e.Data = e.Data[:len(e.Data)-1]
				return e, nil
			}
			e, size = Event{Name: "message"}, 0
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			has = true
			e.Data = append(append(e.Data, value...), '\n')
		case "event":
			e.Name = string(value)
			if len(value) == 0 {
				e.Name = "message"
			}
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.id = string(value)
			}
		}
	}
}

// line returns the next line without its end, which is LF, CR, or both.
func (r *Reader) line(limit int) ([]byte, error) {
	if !r.began {
		r.began = true
		if mark, _ := r.in.Peek(3); string(mark) == "\xef\xbb\xbf" {
			_, _ = r.in.Discard(3)
		}
	}
	var line []byte
	for {
		c, err := r.in.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case c == '\n' && r.cr:
			r.cr = false
			continue
		case c == '\n', c == '\r':
			r.cr = c == '\r'
			return line, nil
		case len(line) >= limit:
			return nil, ErrTooLong
		}
		r.cr = false
		line = append(line, c)
	}
}
