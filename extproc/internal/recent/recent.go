// Package recent is a bounded cache of values that are costly to compute and
// cheap to lose. It knows nothing of when a value stops being true: whoever
// keeps values that can must check each one it gets.
package recent

import "sync"

// Cache keeps the values used most recently, in two generations: a value that
// was not asked for while a whole generation filled up is forgotten. It is
// safe for use by several goroutines.
type Cache[K comparable, V any] struct {
	half       int
	mu         sync.Mutex
	young, old map[K]V
}

// New makes a cache of at most size values, and at least two.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{half: max(size/2, 1), young: map[K]V{}}
}

// Get returns the value of key.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[key]; ok {
		return v, true
	}
	v, ok := c.old[key]
	if ok {
		delete(c.old, key)
		c.add(key, v)
	}
	return v, ok
}

// Put sets the value of key.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.old, key)
	c.add(key, value)
}

// Delete forgets key.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

// Len is how many values are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}

// add puts key into the young generation. c.mu is held, and key is not old.
func (c *Cache[K, V]) add(key K, value V) {
	if _, ok := c.young[key]; !ok && len(c.young) >= c.half {
		c.young, c.old = make(map[K]V, c.half), c.young
	}
	c.young[key] = value
}
