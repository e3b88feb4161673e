package keys

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters/folder"
)

// Published is the public keys that a Ring publishes, read from that file by
// whoever verifies elsewhere. It is safe for use by several goroutines.
type Published struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[[]byte]
	// broken is the error that the last reading ended with, so that it is logged
	// once. Only Run touches it.
	broken string
}

// NewPublished reads the file at path, which need not exist yet.
func NewPublished(path string, log *slog.Logger) *Published {
	p := &Published{path: path, log: log}
	p.current.Store(new([]byte))
	p.reload()
	return p
}

// KeySet is the keys now, as a JSON Web Key Set; empty while none were read. It
// must not be changed.
func (p *Published) KeySet() []byte { return *p.current.Load() }

// Run reads the file again whenever it changes, and calls changed after KeySet
// has, until ctx ends. A file that cannot be read leaves the keys as they are,
// and is logged.
func (p *Published) Run(ctx context.Context, changed func()) error {
	// The folder: the file is replaced, not written to.
	return folder.Follow(ctx, filepath.Dir(p.path), settlePublished, p.log, func() {
		if p.reload() {
			changed()
		}
	})
}

// settlePublished is how long the folder must be quiet before the file is read:
// it is replaced at once, so that there is little to wait for.
const settlePublished = 10 * time.Millisecond

// reload reads the file, and reports whether the keys have changed.
func (p *Published) reload() bool {
	set, err := ReadPublished(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(p.KeySet()) == 0:
		return false
	case err != nil:
		if p.broken != err.Error() {
			p.broken = err.Error()
			p.log.Error("published keys cannot be read; the keys read before stay in use", "error", err)
		}
		return false
	}
	p.broken = ""
	if bytes.Equal(set, p.KeySet()) {
		return false
	}
	p.current.Store(&set)
	return true
}
