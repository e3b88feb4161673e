package keys

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters/folder"
)

// settle is how long the folder must be quiet before it is read: writers and
// Kubernetes' symlink swaps make several events.
const settle = 100 * time.Millisecond

// Ring is a folder of keys, kept up to date by Run. It is safe for use by
// several goroutines.
type Ring struct {
	purpose Purpose
	dir     string
	log     *slog.Logger
	current atomic.Pointer[set]
	// broken is the error that the last reload ended with, so that it is
	// logged once. Only Run touches it.
	broken string
	// published is the file that Publish named, or empty.
	published string
}

// Open reads the keys (*.pem: PKCS#8 or SEC 1, ECDSA P-256) in dir. A folder without
// one is an error with ErrNoKey in its chain that says what to do.
func Open(purpose Purpose, dir string, log *slog.Logger) (*Ring, error) {
	s, err := purpose.load(dir, time.Now())
	if err != nil {
		return nil, err
	}
	r := &Ring{purpose: purpose, dir: dir, log: log}
	r.current.Store(s)
	return r, nil
}

// Holds reports whether the key of that id is in the ring now.
func (r *Ring) Holds(keyID string) bool { return r.current.Load().public[keyID] != nil }

// SigningKeyID is the id of the key that signs now.
func (r *Ring) SigningKeyID() string { return r.current.Load().newest }

// SigningKeyMade is when the key that signs now was made: by its name, or by the
// age of its file where that has another.
func (r *Ring) SigningKeyMade() time.Time { return r.current.Load().made }

// Run reads the folder again whenever something in it changes, until ctx ends.
// A folder that cannot be used leaves the ring as it is, and is logged.
func (r *Ring) Run(ctx context.Context) error { return r.follow(ctx, func() {}) }

// follow is Run that calls changed after the keys have.
func (r *Ring) follow(ctx context.Context, changed func()) error {
	return folder.Follow(ctx, r.dir, settle, r.log, func() {
		if r.reload() {
			changed()
		}
	})
}

// reload replaces the ring by what the folder holds now, and reports whether that
// is something else.
func (r *Ring) reload() bool {
	s, err := r.purpose.load(r.dir, time.Now())
	if err != nil {
		if r.broken != err.Error() {
			r.broken = err.Error()
			r.log.Error("keys cannot be read; those read before stay in use", "purpose", r.purpose, "error", err)
		}
		return false
	}
	r.broken = ""
	if s.equal(r.current.Load()) {
		return false
	}
	// Who verifies must know a key before it signs.
	if err := r.publish(s); err != nil {
		r.log.Error("keys cannot be published; those read before stay in use", "purpose", r.purpose, "error", err)
		return false
	}
	r.current.Store(s)
	r.log.Info("keys replaced", "purpose", r.purpose, "keys", len(s.public), "signing_key", s.newest)
	return true
}
