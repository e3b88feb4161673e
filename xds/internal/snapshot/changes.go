package snapshot

import (
	"context"
	"time"
)

// changes tell that there is something to do. A nil one tells nothing.
type changes struct{ stored, deployed, trusted, kicked <-chan struct{} }

// drain takes what is told already. It reports whether there was anything.
func (c changes) drain() (told bool) {
	for _, channel := range []<-chan struct{}{c.stored, c.deployed, c.trusted, c.kicked} {
		select {
		case <-channel:
			told = true
		default:
		}
	}
	return told
}

// await returns once there is something to do, or false when ctx has ended.
func (l *Loop) await(ctx context.Context, changed changes, retry, tick <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-changed.stored:
		case <-changed.deployed:
		case <-changed.trusted:
		case <-changed.kicked:
		case <-retry:
		case <-tick:
			if !l.nextTrial() {
				continue
			}
		}
		return true
	}
}
