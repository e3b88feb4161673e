package mcphttp

import (
	"strconv"
	"strings"
	"sync"
)

// eventOverhead is what an event costs beside its data, so that many small ones
// are bounded too.
const eventOverhead = 64

// event is one message on a stream. Numbers begin at 1.
type event struct {
	number int
	data   []byte
}

// stream is a sequence of messages to the client: the answer to one POST, or
// the session's own. It outlives the connection that carries it, and keeps a
// bounded number of messages for the next one.
type stream struct {
	id    string
	limit int // bytes

	mu     sync.Mutex
	room   sync.Cond // signalled when a reader got on, or there is none any more
	events []event   // the newest, in order
	size   int
	last   int // number of the newest event that ever was
	sent   int // number of the newest event that was ever written to a client
	done   bool
	reader *reader
}

// reader is a connection that carries a stream. A stream has one at most.
type reader struct {
	wake chan struct{} // receives after any change of the stream
	gone chan struct{} // closed when another reader took its place
	pos  int           // number of the newest event that it has written
}

func newStream(id string, limit int) *stream {
	s := &stream{id: id, limit: limit}
	s.room.L = &s.mu
	return s
}

// append adds a message, and with final ends the stream. While a reader is
// behind by more than the limit it waits for that reader, unless the message is
// the final one. Without a reader the oldest messages give way; it returns how
// many did that no client has seen.
func (s *stream) append(data []byte, final bool) (lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !final && !s.done && s.reader != nil && s.behind() > s.limit {
		s.room.Wait()
	}
	return s.add(data, final)
}

// add is append without waiting. s.mu is held.
func (s *stream) add(data []byte, final bool) (lost int) {
	if s.done {
		return 0
	}
	s.last++
	s.events = append(s.events, event{s.last, data})
	s.size += len(data) + eventOverhead
	s.done = final
	lost = s.trim()
	s.wakeReader()
	return lost
}

// offerFactor is how many times the limit a reader may be behind in offer.
const offerFactor = 4

// offer adds a message without waiting, and returns false when the reader is too
// far behind: others, who wait for the same server, must not wait for it.
func (s *stream) offer(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done && s.reader != nil && s.behind() > offerFactor*s.limit {
		return false
	}
	s.add(data, false)
	return true
}

// behind is how many bytes the reader has still to write.
func (s *stream) behind() int {
	n := 0
	for i := len(s.events) - 1; i >= 0 && s.events[i].number > s.reader.pos; i-- {
		n += len(s.events[i].data) + eventOverhead
	}
	return n
}

func (s *stream) trim() (lost int) {
	drop := 0
	for s.size > s.limit && drop < len(s.events)-1 {
		oldest := s.events[drop]
		if s.reader != nil && oldest.number > s.reader.pos {
			break
		}
		if oldest.number > s.sent {
			lost++
		}
		s.size -= len(oldest.data) + eventOverhead
		drop++
	}
	if drop > 0 {
		// Copied, so that what was dropped can be freed.
		s.events = append([]event(nil), s.events[drop:]...)
	}
	return lost
}

func (s *stream) wakeReader() {
	if s.reader == nil {
		return
	}
	select {
	case s.reader.wake <- struct{}{}:
	default:
	}
}

// finish ends the stream with what it has.
func (s *stream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	s.room.Broadcast()
	s.wakeReader()
}

// attach makes a new reader that goes on after the event of that number; a
// negative number means after what was ever sent. With exclusive it returns nil
// where there is a reader already; otherwise that one is told to go.
func (s *stream) attach(after int, exclusive bool) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		if exclusive {
			return nil
		}
		close(s.reader.gone)
	}
	if after < 0 {
		after = s.sent
	}
	s.reader = &reader{wake: make(chan struct{}, 1), gone: make(chan struct{}), pos: min(after, s.last)}
	s.room.Broadcast()
	return s.reader
}

func (s *stream) detach(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == r {
		s.reader = nil
	}
	s.room.Broadcast()
}

// attached reports whether a connection carries the stream now.
func (s *stream) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader != nil
}

// unread returns the events that r has not written yet, and whether they are
// the last.
func (s *stream) unread(r *reader) (events []event, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range s.events {
		if e.number > r.pos {
			return append([]event(nil), s.events[i:]...), s.done
		}
	}
	return nil, s.done
}

// written notes that r has written all events up to that number.
func (s *stream) written(r *reader, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.pos = number
	s.sent = max(s.sent, number)
	s.trim()
	s.room.Broadcast()
}

// bytes is what the stream holds.
func (s *stream) bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// eventID names an event of a stream to the client.
func eventID(stream string, number int) string {
	return stream + "_" + strconv.Itoa(number)
}

// parseEventID is the inverse of eventID.
func parseEventID(id string) (stream string, number int, ok bool) {
	stream, digits, found := strings.Cut(id, "_")
	number, err := strconv.Atoi(digits)
	return stream, number, found && stream != "" && err == nil && number >= 0
}
