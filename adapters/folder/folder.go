// Package folder tells when a folder of keys or certificates may have changed,
// however it is replaced: file by file, by a link as in Kubernetes' mounts, or as
// a whole. It reads nothing of what is in it.
package folder

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// lookAgain is how often the folder is looked at without an event, for file
// systems that send none and for a folder that was itself replaced.
const lookAgain = 30 * time.Second

// Follow calls look at once, whenever something in the folder has changed and it
// has been quiet for the time to settle, and every half a minute, until ctx ends.
func Follow(ctx context.Context, dir string, settle time.Duration, log *slog.Logger, look func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching folder: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(dir); err != nil {
		return fmt.Errorf("watching folder: %w", err)
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
			log.Warn("watching folder", "folder", dir, "error", err)
			due.Reset(settle)
		case <-due.C:
			look()
			// A no-op, unless the folder itself was replaced.
			if err := watcher.Add(dir); err != nil {
				log.Warn("watching folder", "folder", dir, "error", err)
			}
			due.Reset(lookAgain)
		}
	}
}
