package adapters

import (
	"context"
	"sync"
)

// Notifier is the sending side of Store.Changes and Deployer.Changes: it tells
// every listener that something changed, and coalesces what a slow one has not
// read yet. The zero value is ready for use, by several goroutines.
type Notifier struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

// Notify tells every listener. It never blocks.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for listener := range n.listeners {
		select {
		case listener <- struct{}{}:
		default:
		}
	}
}

// Changes returns a channel of its own for each call, which receives once or
// more after each Notify, is never closed, and is dropped when ctx ends.
func (n *Notifier) Changes(ctx context.Context) <-chan struct{} {
	listener := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[chan struct{}]struct{}{}
	}
	n.listeners[listener] = struct{}{}
	context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, listener)
	})
	return listener
}
