// Package queue holds messages between who says them and who reads them, within
// bounds.
package queue

import "sync"

// maxBytes is how many bytes may wait for the reader.
const maxBytes = 8 << 20

// Queue holds messages until they are read.
type Queue struct {
	mu     sync.Mutex
	change sync.Cond
	items  [][]byte
	size   int
	closed bool
}

// New returns an empty Queue.
func New() *Queue {
	q := &Queue{}
	q.change.L = &q.mu
	return q
}

// Add appends a message, however much waits already.
func (q *Queue) Add(message []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(message)
}

// AddSlowly appends a message once there is room for it: until then the one who
// says it has to wait.
func (q *Queue) AddSlowly(message []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && q.size > maxBytes {
		q.change.Wait()
	}
	q.add(message)
}

// add appends a message. q.mu is held.
func (q *Queue) add(message []byte) {
	if q.closed {
		return
	}
	q.items = append(q.items, message)
	q.size += len(message)
	q.change.Broadcast()
}

// Offer appends a message. Where too much waits already, it closes the queue and
// returns false.
func (q *Queue) Offer(message []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true
	}
	if q.size > maxBytes {
		q.closed = true
		q.change.Broadcast()
		return false
	}
	q.add(message)
	return true
}

// Next waits for a message; after Close and the last one, ok is false.
func (q *Queue) Next() (message []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.change.Wait()
	}
	if len(q.items) == 0 {
		return nil, false
	}
	message = q.items[0]
	q.items = q.items[1:]
	q.size -= len(message)
	q.change.Broadcast()
	return message, true
}

// Close ends the queue with what it holds.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}
