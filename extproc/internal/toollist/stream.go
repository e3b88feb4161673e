package toollist

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrTooLong is in the chain of the error for an event that is too long to be
// filtered.
var ErrTooLong = errors.New("event too long")

// Stream filters an event stream (text/event-stream), event by event, in pieces
// of any size. It is for one goroutine.
type Stream struct {
	shows Shows
	max   int

	// event is the event so far, as it came; line is where its last line begins.
	event []byte
	line  int
	// afterCR says that the last byte was a carriage return: a line feed that
	// follows belongs to it.
	afterCR bool
	// begun is set after the first line, which may begin with a byte order mark.
	begun bool
	// data are the values of the event's data fields, joined; rest are its other
	// lines.
	data, rest []byte
	hasData    bool
}

// NewStream makes a Stream that takes events of up to max bytes.
func NewStream(max int, shows Shows) *Stream { return &Stream{shows: shows, max: max} }

// Write takes the next piece, and returns what of the stream can be passed on:
// all events that are complete. After an error, nothing more may be passed on.
func (s *Stream) Write(piece []byte) ([]byte, error) {
	var out []byte
	for _, b := range piece {
		if s.afterCR && b == '\n' {
			s.afterCR = false
			if len(s.event) == 0 {
				// The end of the event before was passed on without it.
				out = append(out, b)
			} else {
				s.event = append(s.event, b)
				s.line = len(s.event)
			}
			continue
		}
		s.event = append(s.event, b)
		if len(s.event) > s.max {
			return out, ErrTooLong
		}
		s.afterCR = b == '\r'
		if b != '\r' && b != '\n' {
			continue
		}
		done, err := s.endLine()
		if err != nil {
			return out, err
		}
		out = append(out, done...)
	}
	return out, nil
}

// Close returns what is left. An event without its end is none to most clients,
// and filtered all the same.
func (s *Stream) Close() ([]byte, error) {
	if s.line < len(s.event) {
		s.field(s.event[s.line:])
	}
	return s.dispatch()
}

// endLine takes the line that was just completed. An empty one ends the event.
func (s *Stream) endLine() ([]byte, error) {
	line := s.event[s.line : len(s.event)-1]
	s.line = len(s.event)
	if len(line) > 0 {
		s.field(line)
		return nil, nil
	}
	return s.dispatch()
}

// field sorts a line: data, or another.
func (s *Stream) field(line []byte) {
	if !s.begun {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		s.begun = true
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	if string(name) != "data" {
		s.rest = append(append(s.rest, line...), '\n')
		return
	}
	if s.hasData {
		s.data = append(s.data, '\n')
	}
	s.data = append(s.data, bytes.TrimPrefix(value, []byte(" "))...)
	s.hasData = true
}

// dispatch ends the event and returns it: as it came, unless tools were left
// out.
func (s *Stream) dispatch() ([]byte, error) {
	out := bytes.Clone(s.event)
	if len(bytes.TrimSpace(s.data)) > 0 {
		filtered, err := Message(s.data, s.shows)
		if err != nil {
			return nil, fmt.Errorf("filtering event: %w", err)
		}
		if !bytes.Equal(filtered, s.data) {
			out = bytes.Clone(s.rest)
			for line := range bytes.SplitSeq(filtered, []byte("\n")) {
				out = append(append(append(out, "data: "...), line...), '\n')
			}
			out = append(out, '\n')
		}
	}
	s.event, s.data, s.rest = s.event[:0], s.data[:0], s.rest[:0]
	s.line, s.hasData = 0, false
	return out, nil
}
