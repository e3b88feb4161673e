package keys

import (
	"context"
	"log/slog"
)

// Public is the public keys of a Ring's folder, for whoever verifies where the
// folder is at hand too. It is safe for use by several goroutines.
type Public struct{ ring *Ring }

// OpenPublic reads the keys in dir as Open does.
func OpenPublic(purpose Purpose, dir string, log *slog.Logger) (*Public, error) {
	ring, err := Open(purpose, dir, log)
	if err != nil {
		return nil, err
	}
	return &Public{ring: ring}, nil
}

// KeySet is the keys now, as a JSON Web Key Set (RFC 7517), those that are to sign
// later among them.
func (p *Public) KeySet() []byte {
	text, err := p.ring.current.Load().keySet()
	if err != nil {
		panic("keys: public keys that cannot be encoded: " + err.Error())
	}
	return text
}

// Run reads the folder again whenever something in it changes, and calls changed
// after KeySet has, until ctx ends. A folder that cannot be used leaves the keys as
// they are, and is logged.
func (p *Public) Run(ctx context.Context, changed func()) error { return p.ring.follow(ctx, changed) }
