package local

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mooring-mcp/mooring/adapters"
)

// drainMargin is what a bridge gets over its own drain timeout.
const drainMargin = 10 * time.Second

// supervise reports how the bridge is until it is dead, tells it what the goal
// asks for, and takes away all that it leaves. It returns how the bridge ended.
func (r *replica) supervise() string {
	ctx, cancel := context.WithCancel(context.Background())
	var watchers sync.WaitGroup
	dead := make(chan struct{})
	answers := make(chan health)
	p := r.process
	watchers.Go(func() {
		defer close(dead)
		p.wait(ctx)
	})
	watchers.Go(func() { newProber(r.record.Socket).watch(ctx, r.d.silence, answers) })
	killed := r.follow(dead, answers)

	// Not reaped yet, so the session's number is still the bridge's own.
	if err := sweep(func(id string) bool { return id == r.id }, p.PID); err != nil {
		r.log.Error("processes of a dead bridge are left", "error", err)
	}
	cancel()
	watchers.Wait()
	r.process = nil
	how := p.reap()
	if killed != "" {
		r.d.metrics.kills.Inc()
		return killed
	}
	return how
}

// follow returns when the bridge is dead, or is to be killed, and then says why.
func (r *replica) follow(dead <-chan struct{}, answers <-chan health) (killed string) {
	exit := exit{replica: r}
	defer exit.timer.stop()
	for {
		exit.pursue(r.current())
		select {
		case <-dead:
			return ""
		case <-r.wake:
		case h := <-answers:
			exit.answered(h)
			if h.hung {
				killed = "it did not answer any more, and was killed"
			}
		case <-exit.timer.c:
			killed = exit.due()
		}
		if killed != "" {
			r.log.Warn("bridge is killed", "why", killed)
			return killed
		}
	}
}

// exit is how far a bridge's end has come. It begins with the goal that asks for
// it, and every step has a deadline.
type exit struct {
	replica *replica
	goal    goal // that has been acted upon
	timer   alarm
	// asked: the bridge was told to drain. said: it says that it does.
	asked, said, heard bool
}

// answered takes note of what the bridge says of itself. One that drains though
// nobody here told it to will end, so that it is time for a successor.
func (e *exit) answered(h health) {
	e.heard = true
	e.said = h.state == adapters.InstanceDraining
	if h.state != adapters.InstanceStarting {
		e.replica.place.leave()
	}
	if e.said {
		e.replica.raise(goalDrain)
	}
	if e.replica.current() == goalServe {
		// A bridge that hangs says nothing of it.
		e.replica.retries = max(e.replica.retries, h.restarts)
		e.replica.report(h)
	}
}

// pursue acts upon a goal that is new.
func (e *exit) pursue(g goal) {
	if g <= e.goal {
		return
	}
	r := e.replica
	switch e.goal = g; g {
	case goalDrain:
		if r.record.DrainingSince.IsZero() {
			r.record.DrainingSince = time.Now().UTC()
			// Without it a successor of this process would take the replica for one
			// that serves, and drain it then.
			if err := r.record.write(r.dir); err != nil {
				r.log.Warn("draining was not recorded", "error", err)
			}
		}
		r.report(draining())
		e.timer.set(r.d.cfg.DrainDelay)
	default:
		r.report(stopping())
		r.log.Info("stopping bridge")
		e.tell(unix.SIGINT)
		e.timer.set(r.d.cfg.StopGrace)
	}
}

// due does what its time has come for, and says why the bridge is to be killed,
// if it is.
func (e *exit) due() (kill string) {
	r := e.replica
	if e.goal >= goalStop {
		return "it did not stop in time"
	}
	left := time.Until(r.record.DrainingSince.Add(r.d.cfg.DrainDelay + r.d.cfg.DrainTimeout + drainMargin))
	if left <= 0 {
		return "it did not drain in time"
	}
	if e.asked {
		return ""
	}
	// The predecessor of this process may have told an adopted bridge already,
	// and a second SIGTERM means to stop at once: so it is asked first.
	if r.adopted && !e.heard {
		e.timer.set(min(left, probeStarting))
		return ""
	}
	r.log.Info("bridge drains", "already", e.said)
	if !e.said {
		e.tell(unix.SIGTERM)
	}
	e.asked = true
	e.timer.set(left)
	return ""
}

func (e *exit) tell(sig unix.Signal) {
	if err := e.replica.process.signal(sig); err != nil {
		e.replica.log.Warn("bridge was not signalled", "signal", sig.String(), "error", err)
	}
}

// alarm is a timer that is not set at first.
type alarm struct {
	timer *time.Timer
	c     <-chan time.Time
}

func (a *alarm) set(d time.Duration) {
	a.stop()
	a.timer = time.NewTimer(d)
	a.c = a.timer.C
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
