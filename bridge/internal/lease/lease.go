// Package lease tells a program whether its owner still lives: the owner holds
// an exclusive lock on a file, which the kernel takes from it when it dies in
// whatever way.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLost: nobody holds the lock any more.
var ErrLost = errors.New("the owner of this process is gone")

// Lease watches one file.
type Lease struct {
	// Path is the locked file.
	Path string
	// Every is the time between looks. Zero means 5 s.
	Every time.Duration
	// Grace is how long the lock must have been free. Zero means 30 s.
	Grace time.Duration
	// Log is required.
	Log *slog.Logger
}

// Run returns nil when ctx ends, and ErrLost when the lock was free for Grace.
func (l Lease) Run(ctx context.Context) error {
	if l.Every == 0 {
		l.Every = 5 * time.Second
	}
	if l.Grace == 0 {
		l.Grace = 30 * time.Second
	}
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	var freeSince time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			free, err := l.free()
			switch {
			case err != nil:
				// Not to know is not to be sure: a state folder that is gone means
				// that nobody owns this process, anything else may pass.
				l.Log.Warn("looking at the lease", "error", err)
				if !errors.Is(err, os.ErrNotExist) {
					freeSince = time.Time{}
					continue
				}
			case !free:
				freeSince = time.Time{}
				continue
			}
			if freeSince.IsZero() {
				freeSince = now
			}
			if now.Sub(freeSince) >= l.Grace {
				return ErrLost
			}
		}
	}
}

// free reports whether nobody holds the lock. A shared lock, let go at once,
// does not keep other watchers from finding the same.
func (l Lease) free() (bool, error) {
	f, err := os.Open(l.Path)
	if err != nil {
		return false, fmt.Errorf("opening lease: %w", err)
	}
	defer func() { _ = f.Close() }()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	default:
		return false, fmt.Errorf("locking lease: %w", err)
	}
}
