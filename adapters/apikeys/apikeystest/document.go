// Package apikeystest has an apikeys.Document in memory, for tests.
package apikeystest

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
)

// Document is one in memory. The zero value has no text, and nothing was heard of
// it.
type Document struct {
	changes adapters.Notifier

	mu      sync.Mutex
	text    []byte
	version int
	heard   bool
}

// Read implements apikeys.Document.
func (d *Document) Read(context.Context) ([]byte, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text, d.name(), nil
}

func (d *Document) name() string {
	if d.version == 0 {
		return ""
	}
	return strconv.Itoa(d.version)
}

// Write implements apikeys.Document.
func (d *Document) Write(_ context.Context, text []byte, version string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if version != d.name() {
		return apikeys.ErrChanged
	}
	d.text = text
	d.version++
	d.changes.Notify()
	return nil
}

// Hear lets Heard answer.
func (d *Document) Hear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = true
	d.changes.Notify()
}

// Heard implements apikeys.Document.
func (d *Document) Heard() ([]byte, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.heard {
		return nil, "", errors.New("nothing was heard yet")
	}
	return d.text, d.name(), nil
}

// Changes implements apikeys.Document.
func (d *Document) Changes(ctx context.Context) <-chan struct{} { return d.changes.Changes(ctx) }
