package shared

import "sync"

// maxQueued is how many bytes may wait for one session's reader.
const maxQueued = 8 << 20

// queue holds the messages for one session until they are read. It never makes
// the one who adds wait: others are served by the same process.
type queue struct {
	mu     sync.Mutex
	added  sync.Cond
	items  [][]byte
	size   int
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.added.L = &q.mu
	return q
}

// add appends a message. Where too much waits already, it closes the queue and
// returns false.
func (q *queue) add(message []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true
	}
	if q.size > maxQueued {
		q.closed = true
		q.added.Broadcast()
		return false
	}
	q.items = append(q.items, message)
	q.size += len(message)
	q.added.Signal()
	return true
}

// next waits for a message; after close and the last one, ok is false.
func (q *queue) next() (message []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.added.Wait()
	}
	if len(q.items) == 0 {
		return nil, false
	}
	message = q.items[0]
	q.items = q.items[1:]
	q.size -= len(message)
	return message, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.added.Broadcast()
}
