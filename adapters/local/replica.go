package local

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

const (
	// longestBackoff is the longest pause between two starts.
	longestBackoff = 30 * time.Second
	// soundLife is how long a bridge has to live for its death not to count as
	// a repetition.
	soundLife = time.Minute
)

// replica is one place of an adapter, and the bridge process that fills it: one
// after another, when they die.
type replica struct {
	d   *Deployer
	id  string
	dir string
	log *slog.Logger
	// adapterName is the name of its adapter.
	adapterName string
	// variables are the adapter's. Nil while the template that an adopted process
	// was started from is not known, so that it cannot be started again.
	variables atomic.Pointer[map[string]string]
	// secrets are what of that must not show.
	secrets atomic.Pointer[mask.Mask]
	// masked is what secrets was made of. It belongs to the goroutine that calls
	// know.
	masked map[string]string

	wanted atomic.Int32
	wake   chan struct{}

	// The rest belongs to the replica's goroutine.
	record  record
	process *process // nil while there is none
	adopted bool
	lane    lane   // where the next start waits
	place   *place // while a start takes one
	deaths  int    // in a row
	last    string // how the last bridge died, for people
	retries int    // of its server by the bridge there is, as it says
}

// newReplica makes the replica that rec is about.
func (d *Deployer) newReplica(rec record) *replica {
	return &replica{
		d:      d,
		id:     rec.Instance,
		dir:    filepath.Join(d.cfg.AdaptersDir, string(rec.Adapter), rec.Instance),
		log:    d.cfg.Log.With("adapter", rec.Name, "replica", rec.Ordinal, "instance", rec.Instance),
		wake:   make(chan struct{}, 1),
		lane:   laneAsked,
		record: rec,

		adapterName: rec.Name,
	}
}

func (r *replica) current() goal { return goal(r.wanted.Load()) }

// raise tells the replica what to do, unless it is to do more already.
func (r *replica) raise(g goal) {
	for {
		now := r.wanted.Load()
		if now >= int32(g) {
			return
		}
		if r.wanted.CompareAndSwap(now, int32(g)) {
			break
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// know gives the replica what it needs to start a bridge.
func (r *replica) know(a adapters.Adapter) {
	variables := a.ServerEnvironment()
	// What is known already is not worked out again at each change of the store.
	if secrets := a.Secrets(); !maps.Equal(secrets, r.masked) {
		r.masked = secrets
		r.secrets.Store(mask.New(slices.Collect(maps.Values(secrets))))
	}
	r.variables.CompareAndSwap(nil, &variables)
}

// run keeps a bridge running until the goal is another, and leaves nothing
// behind. It returns once the bridge and all that it started are gone.
func (r *replica) run() {
	defer r.end()
	for {
		lived := r.once()
		if r.current() != goalServe || r.variables.Load() == nil {
			return
		}
		r.pause(lived)
		if r.current() != goalServe {
			return
		}
		// The next bridge counts anew.
		r.record.Restarts += r.retries + 1
		r.retries = 0
	}
}

// once sees one bridge through its life, and returns how long that was.
func (r *replica) once() time.Duration {
	defer func() { r.place.leave() }()
	if r.process == nil {
		if !r.awaitTurn() {
			return 0
		}
		if err := r.start(); err != nil {
			r.log.Error("bridge was not started", "error", err)
			r.last = fmt.Sprintf("The bridge was not started: %v.", err)
			r.report(failed("BridgeStartFailed", r.last))
			return 0
		}
	}
	how := r.supervise()
	if r.current() == goalServe {
		r.log.Warn("bridge died", "how", how, "deaths", r.deaths+1)
		r.d.metrics.deaths.Inc()
		r.last = r.secrets.Load().String(died(how, r.dir))
		r.report(failed(adapters.ReasonExited, r.last))
	}
	return time.Since(r.record.Started)
}

// awaitTurn waits until the replica may start a bridge, and reports whether it
// still should. What it starts later is not restored any more.
func (r *replica) awaitTurn() bool {
	r.place = r.d.gate.enter(r.lane)
	r.lane = laneAsked
	for r.current() == goalServe {
		select {
		case <-r.place.turn:
			return true
		default:
		}
		r.report(queued())
		select {
		case <-r.place.turn:
		case <-r.wake:
		}
	}
	return false
}

// pause waits before the next start, longer after each short life in a row.
func (r *replica) pause(lived time.Duration) {
	if lived > soundLife {
		r.deaths = 0
	}
	r.deaths++
	timer := time.NewTimer(backoff(r.deaths))
	defer timer.Stop()
	for r.current() == goalServe {
		select {
		case <-timer.C:
			return
		case <-r.wake:
		}
	}
}

// backoff is the pause after so many deaths in a row: none after the first, then
// half a second, doubled each time.
func backoff(deaths int) time.Duration {
	if deaths <= 1 {
		return 0
	}
	return min(longestBackoff, time.Second/2<<min(deaths-2, 10))
}

// end removes what the replica was known by.
func (r *replica) end() {
	if err := os.Remove(r.record.Socket); err != nil && !os.IsNotExist(err) {
		r.log.Warn("socket was not removed", "error", err)
	}
	path := filepath.Join(r.dir, recordName)
	if r.current() != goalStop {
		path = r.dir
	}
	if err := removeAll(path); err != nil {
		r.log.Warn("replica's files were not removed", "error", err)
	}
	r.d.table.remove(r.id)
	r.log.Info("replica ended")
}

func (r *replica) report(h health) { r.d.table.report(r.id, h, r.record.Restarts+r.retries) }
