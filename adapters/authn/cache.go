package authn

import (
	"crypto/sha256"
	"sync"
)

// cacheSize is how many verified tokens are remembered. One takes about 1 KiB.
const cacheSize = 8192

// cache remembers verified tokens by their digest, so that it holds none. It
// has two generations: when the young one is full it becomes the old one, whose
// members are young again as soon as they are used, and the rest is forgotten.
// That is nearly as good as a list in order of use, and has no list to keep.
// The zero value is ready for use.
type cache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*verified
}

func (c *cache) get(key [sha256.Size]byte) *verified {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.young[key]; v != nil {
		return v
	}
	v := c.old[key]
	if v != nil {
		c.add(key, v)
	}
	return v
}

func (c *cache) put(key [sha256.Size]byte, v *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, v)
}

func (c *cache) add(key [sha256.Size]byte, v *verified) {
	if c.young == nil || len(c.young) >= cacheSize/2 {
		c.young, c.old = map[[sha256.Size]byte]*verified{}, c.young
	}
	c.young[key] = v
}

func (c *cache) drop(key [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
