package keys

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// follow calls look at once, whenever something in the folder has changed and it
// has been quiet for the time to settle, and every lookAgain, until ctx ends.
func follow(ctx context.Context, dir string, settle time.Duration, log *slog.Logger, look func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching key folder: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(dir); err != nil {
		return fmt.Errorf("watching key folder: %w", err)
	}
	// What changed before the folder was watched.
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
			due.Reset(settle)
		case err := <-watcher.Errors:
			log.Warn("watching key folder", "error", err)
			due.Reset(settle)
		case <-due.C:
			look()
			// A no-op, unless the folder itself was replaced.
			if err := watcher.Add(dir); err != nil {
				log.Warn("watching key folder", "error", err)
			}
			due.Reset(lookAgain)
		}
	}
}
