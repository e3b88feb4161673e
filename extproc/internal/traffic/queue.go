package traffic

import "sync"

// queue holds records that wait to be counted, queued at most. The zero value is
// empty.
type queue struct {
	mu      sync.Mutex
	waiting []record
	// counted are the last that were taken, and room for the next.
	counted []record
}

// put is false where there is no room.
func (q *queue) put(r record) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= queued {
		return false
	}
	q.waiting = append(q.waiting, r)
	return true
}

// take returns all that wait, until it is called again.
func (q *queue) take() []record {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.counted)
	q.waiting, q.counted = q.counted[:0], q.waiting
	return q.counted
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
