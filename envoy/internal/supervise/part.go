package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Part is a program that the supervisor keeps running.
type Part struct {
	// Name is what people call it.
	Name string
	// Command makes the command of one start.
	Command func() *exec.Cmd
	// Log opens the file that takes what one start prints. Nil throws it away.
	Log func() (*os.File, error)
	// Ready is one look whether the part serves: nil when it does.
	Ready func(ctx context.Context) error
	// OnParentDeath is sent to the part by the kernel when this program dies.
	OnParentDeath syscall.Signal
	// StopFirst makes a stop wait for this part before the others are told.
	StopFirst bool
	// StopTimeout is how long after SIGTERM the part is killed.
	StopTimeout time.Duration
}

// Limits are the supervisor's times. The zero value of each means its default.
type Limits struct {
	// StartTimeout is how long a part may take to be ready at the first start.
	// Default 60 s.
	StartTimeout time.Duration
	// FirstDelay is how long after its first death a part is started again;
	// each further one doubles it, up to MaxDelay. Defaults 100 ms and 30 s.
	FirstDelay, MaxDelay time.Duration
	// Steady is how long a part must have run for its next death to count as
	// the first. Default 30 s.
	Steady time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&l.StartTimeout, time.Minute},
		{&l.FirstDelay, 100 * time.Millisecond},
		{&l.MaxDelay, 30 * time.Second},
		{&l.Steady, 30 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return l
}

// next is the delay after delay.
func (l Limits) next(delay time.Duration) time.Duration {
	return min(max(2*delay, l.FirstDelay), l.MaxDelay)
}

// StartError is why a part did not come up at its first start.
type StartError struct {
	// Part is the name of the part.
	Part string
	// Err says how its start ended.
	Err error
}

// Error implements error.
func (e *StartError) Error() string { return fmt.Sprintf("starting %s: %v", e.Part, e.Err) }

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }
