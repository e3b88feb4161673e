// Package supervise starts programs in order, starts those that die again, and
// stops them in order. It knows nothing of what they are.
package supervise

import (
	"context"
	"sync"
)

// Say tells the user something, in one line.
type Say func(format string, args ...any)

// Supervisor keeps parts running.
type Supervisor struct {
	parts  []Part
	limits Limits
	say    Say
}

// New returns a supervisor of parts, in the order of their start. It tells what
// happens through say, which may be called from several goroutines.
func New(parts []Part, limits Limits, say Say) *Supervisor {
	return &Supervisor{parts: parts, limits: limits.withDefaults(), say: say}
}

// Run starts the parts, each once the one before it is ready, and calls up when
// all are. It keeps them running until ctx ends, stops them, and returns nil.
// A part that does not come up at its first start is an error, and all that was
// started is stopped. When force is closed, nothing is waited for any more.
func (s *Supervisor) Run(ctx context.Context, force <-chan struct{}, up func()) error {
	var keepers []*keeper
	err := s.start(ctx, &keepers)
	if err == nil && ctx.Err() == nil {
		up()
		<-ctx.Done()
	}
	stop(keepers, force)
	return err
}

func (s *Supervisor) start(ctx context.Context, keepers *[]*keeper) error {
	for _, part := range s.parts {
		k := newKeeper(part, s.limits, s.say)
		*keepers = append(*keepers, k)
		go k.run()
		select {
		case <-k.ready:
		case <-k.done:
			return k.err
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// stop ends those first that are to be first, then the others together.
func stop(keepers []*keeper, force <-chan struct{}) {
	for _, first := range []bool{true, false} {
		var stopping sync.WaitGroup
		for _, k := range keepers {
			if k.part.StopFirst == first {
				stopping.Go(func() { k.stop(force) })
			}
		}
		stopping.Wait()
	}
}
