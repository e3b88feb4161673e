package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

const probeInterval = 20 * time.Millisecond

// errStopped ends a keeper that was told to stop.
var errStopped = errors.New("stopped")

// keeper keeps one part running.
type keeper struct {
	part   Part
	limits Limits
	say    Say

	ctx    context.Context // ends when the part is to stop
	cancel context.CancelFunc
	ready  chan struct{} // closed when the part is ready for the first time
	done   chan struct{} // closed when the keeper has ended
	err    error         // why the part never came up; after done

	mu   sync.Mutex
	proc *process.Process // the newest start
}

func newKeeper(part Part, limits Limits, say Say) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	return &keeper{
		part: part, limits: limits, say: say, ctx: ctx, cancel: cancel,
		ready: make(chan struct{}), done: make(chan struct{}),
	}
}

// run starts the part again and again until the keeper is stopped, or the first
// start fails.
func (k *keeper) run() {
	defer close(k.done)
	begin := time.Now()
	if err := k.firstStart(); err != nil {
		k.err = &StartError{Part: k.part.Name, Err: err}
		return
	}
	k.say("%s is up (%s)", k.part.Name, brief(time.Since(begin)))
	close(k.ready)
	var delay time.Duration
	for begin = time.Now(); ; begin = time.Now() {
		end := k.awaitEnd()
		if k.ctx.Err() != nil {
			return
		}
		if time.Since(begin) >= k.limits.Steady {
			delay = 0
		}
		delay = k.limits.next(delay)
		k.say("%s ended (%v); starting it again in %s", k.part.Name, end, brief(delay))
		if !k.startAgain(delay) {
			return
		}
	}
}

func (k *keeper) firstStart() error {
	if err := k.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(k.ctx, k.limits.StartTimeout)
	defer cancel()
	err := k.awaitReady(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it was not ready within %s", brief(k.limits.StartTimeout))
	}
	return err
}

// startAgain starts the part after delay, and after longer ones as long as that
// fails. It reports false when the keeper was stopped.
func (k *keeper) startAgain(delay time.Duration) bool {
	for {
		select {
		case <-time.After(delay):
		case <-k.ctx.Done():
			return false
		}
		begin := time.Now()
		err := k.start()
		if errors.Is(err, errStopped) {
			return false
		}
		if err == nil {
			// A part that ends before it is ready is the caller's to see.
			if k.awaitReady(k.ctx) == nil {
				k.say("%s is back (%s)", k.part.Name, brief(time.Since(begin)))
			}
			return k.ctx.Err() == nil
		}
		delay = k.limits.next(delay)
		k.say("%s: %v; trying again in %s", k.part.Name, err, brief(delay))
	}
}

// start starts the part once, unless the keeper is stopped.
func (k *keeper) start() error {
	cmd := k.part.Command()
	if k.part.Log != nil {
		log, err := k.part.Log()
		if err != nil {
			return err
		}
		defer log.Close() // the part has its own by then
		cmd.Stdout, cmd.Stderr = log, log
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// Under the lock, so that stop sees what is started here.
	if k.ctx.Err() != nil {
		return errStopped
	}
	proc, err := process.Start(cmd, k.part.OnParentDeath)
	if err == nil {
		k.proc = proc
	}
	return err
}

func (k *keeper) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	proc := k.current()
	for {
		if k.part.Ready(ctx) == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-proc.Done():
			return fmt.Errorf("it ended (%s)", ending(proc))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitEnd returns how the part ended.
func (k *keeper) awaitEnd() string {
	proc := k.current()
	select {
	case <-proc.Done():
		return ending(proc)
	case <-k.ctx.Done():
		return errStopped.Error()
	}
}

// stop ends the part, kindly at first, and returns once it and the keeper have
// ended.
func (k *keeper) stop(force <-chan struct{}) {
	k.mu.Lock()
	k.cancel()
	proc := k.proc
	k.mu.Unlock()
	if proc != nil {
		proc.Signal(syscall.SIGTERM)
		select {
		case <-proc.Done():
		case <-force:
		case <-time.After(k.part.StopTimeout):
			k.say("%s did not end within %s and is killed", k.part.Name, brief(k.part.StopTimeout))
		}
		proc.KillGroup()
		<-proc.Done()
	}
	<-k.done
}

func (k *keeper) current() *process.Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.proc
}

func ending(p *process.Process) string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// brief is d for people.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
