package apikeys

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrChanged is what a Document answers whose text is another by now.
var ErrChanged = errors.New("api keys were changed by somebody else")

// Document is one text that several control planes share, such as a Secret of
// Kubernetes. It is safe for use by several goroutines.
type Document interface {
	// Read returns the text as it is, and its version, which no other text has. Where
	// there is none yet both are empty.
	Read(ctx context.Context) (text []byte, version string, err error)
	// Write puts text in the place of that of the version. ErrChanged where there is
	// another by now, ErrFull where text is too large.
	Write(ctx context.Context, text []byte, version string) error
	// Heard is what Read answered when it was last heard of a change, which is within
	// moments. An error while nothing was heard yet.
	Heard() (text []byte, version string, err error)
	// Changes receives after Heard has changed. The channel holds one: who has not
	// received in between has missed nothing.
	Changes(ctx context.Context) <-chan struct{}
}

// tries is how often a change is begun anew because somebody else was faster.
const tries = 5

// kept is a Store in a Document.
type kept struct{ document Document }

// NewDocumentStore is the Store in d, of which there may be several.
func NewDocumentStore(d Document) Store { return &kept{document: d} }

// Create implements Store.
func (s *kept) Create(ctx context.Context, k Key) error { return s.change(ctx, adding(k)) }

// Delete implements Store.
func (s *kept) Delete(ctx context.Context, id string) error { return s.change(ctx, removing(id)) }

// List implements Store.
func (s *kept) List(ctx context.Context) ([]Key, error) {
	keys, _, err := s.read(ctx)
	inOrder(keys)
	return keys, err
}

func (s *kept) change(ctx context.Context, change edit) error {
	for range tries {
		keys, version, err := s.read(ctx)
		if err != nil {
			return err
		}
		if keys, err = change(keys); err != nil {
			return err
		}
		text, err := encode(keys)
		if err != nil {
			return err
		}
		if err = s.document.Write(ctx, text, version); !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("writing api keys: %w", ErrChanged)
}

func (s *kept) read(ctx context.Context) ([]Key, string, error) {
	text, version, err := s.document.Read(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("reading api keys: %w", err)
	}
	keys, err := decodeOrNone(text)
	return keys, version, err
}

// heard is a Document's text, as one Keyring has read it.
type heard struct {
	document Document

	mu      sync.Mutex
	read    bool
	version string
	keys    map[string]Key
}

func (h *heard) find(id string) (Key, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, version, err := h.document.Heard()
	if err != nil {
		return Key{}, err
	}
	if !h.read || h.version != version {
		h.read = false
		keys, err := decodeOrNone(text)
		if err != nil {
			return Key{}, err
		}
		h.read, h.version, h.keys = true, version, byID(keys)
	}
	return h.keys[id], nil
}
