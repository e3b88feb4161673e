package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func pidsOf(records []record) []int {
	var pids []int
	for _, r := range records {
		pids = append(pids, r.PID)
	}
	slices.Sort(pids)
	return pids
}

func TestCrashedGatewayLosesNoBridge(t *testing.T) {
	w := newWorld(t)
	a := w.adapter("a", 2, "FAKE_CHILDREN", "1")
	w.crashed(w.running(a, 2), a)
	w.awaitChildren(2)
	before := w.alive()
	pids := pidsOf(w.records(a))

	w.create(a)
	w.start()
	instances := w.await(a, "0 Ready,1 Ready")
	if diff := cmp.Diff(pids, pidsOf(w.records(a))); diff != "" {
		t.Errorf("bridges: -before +after\n%s", diff)
	}
	if diff := cmp.Diff(before, w.alive()); diff != "" {
		t.Errorf("processes: -before +after\n%s", diff)
	}

	// An adopted bridge is watched like a child.
	w.killBridge(a, instances[1])
	w.eventually("the dead one is replaced", func() bool {
		i := w.Instances()[a.ID]
		return describe(i) == "0 Ready,1 Ready" && i[1].Restarts == 1
	})
	if n := len(w.alive()); n < 4 {
		t.Errorf("%d processes are alive: the other replica was hurt", n)
	}
}

func TestAfterACrashOnlyWhatIsWantedGoesOn(t *testing.T) {
	w := newWorld(t)
	sessions := w.touch("sessions")
	gone := w.adapter("gone", 1, "FAKE_CHILDREN", "1")
	changed := w.adapter("changed", 1, "FAKE_SESSIONS", sessions)
	shrunk := w.adapter("shrunk", 2)
	w.crashed(func() bool {
		return w.running(gone, 1)() && w.running(changed, 1)() && w.running(shrunk, 2)()
	}, gone, changed, shrunk)
	w.awaitChildren(1)
	old := pidsOf(w.records(changed))

	changed = w.adapter("changed", 1, "FAKE_SESSIONS", sessions, "NEW", "1")
	w.create(changed)
	shrunk.ReplicaCount = 1
	w.create(shrunk)
	w.start()
	w.await(shrunk, "0 Ready")
	instances := w.await(changed, "0 Draining,0 Ready")
	if got := w.record(changed, instances[0]).PID; got != old[0] {
		t.Errorf("process %d drains, want %d", got, old[0])
	}
	w.await(gone, "")
	w.eventually("the folder of the deleted adapter is removed", func() bool {
		return !exists(filepath.Join(w.config.AdaptersDir, string(gone.ID)))
	})
	w.remove(sessions)
	w.await(changed, "0 Ready")
}

func TestDrainGoesOnAfterACrash(t *testing.T) {
	w := newWorld(t)
	sessions := w.touch("sessions")
	a := w.adapter("a", 1, "FAKE_SESSIONS", sessions)
	w.crashed(w.running(a, 1), a)
	r := w.records(a)[0]
	// As a gateway leaves it that was killed just after it told the bridge.
	r.DrainingSince = r.Started
	if err := r.write(filepath.Join(w.config.AdaptersDir, string(a.ID), r.Instance)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p := newProber(r.Socket)
	defer p.client.CloseIdleConnections()
	w.eventually("the bridge drains", func() bool {
		h, err := p.probe(t.Context())
		return err == nil && h.state == adapters.InstanceDraining
	})

	w.create(a)
	w.start()
	w.await(a, "0 Draining,0 Ready")
	w.eventually("the drain goes on", func() bool { return strings.Contains(w.logged.String(), "bridge drains") })
	if !strings.Contains(w.logged.String(), "already=true") {
		t.Error("it was told to drain again")
	}
	// A second SIGTERM would have ended it at once.
	if !r.isAlive(w.boot) {
		t.Error("the draining bridge was cut off")
	}
	w.remove(sessions)
	w.await(a, "0 Ready")
}

func TestLeftoversOfACrashAreEnded(t *testing.T) {
	w := newWorld(t)
	dead := w.adapter("dead", 1, "FAKE_CHILDREN", "1")
	unrecorded := w.adapter("unrecorded", 1, "FAKE_CHILDREN", "1")
	broken := w.adapter("broken", 1)
	w.crashed(func() bool {
		return w.running(dead, 1)() && w.running(unrecorded, 1)() && w.running(broken, 1)()
	}, dead, unrecorded, broken)
	w.awaitChildren(2)
	old := w.alive()
	// A bridge that died while no gateway ran, one that was started and not
	// recorded, and one whose record is torn.
	if err := syscall.Kill(w.records(dead)[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	folder := func(a adapters.Adapter) string {
		return filepath.Join(w.config.AdaptersDir, string(a.ID), w.records(a)[0].Instance, recordName)
	}
	w.remove(folder(unrecorded))
	if err := os.WriteFile(folder(broken), []byte(`{"instance":`), 0o600); err != nil {
		t.Fatal(err)
	}

	w.create(dead)
	w.create(unrecorded)
	w.create(broken)
	w.start()
	w.await(dead, "0 Ready")
	w.await(unrecorded, "0 Ready")
	w.await(broken, "0 Ready")
	for _, pid := range w.alive() {
		if slices.Contains(old, pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

func TestGatewaysLeaveEachOtherAlone(t *testing.T) {
	first, second := newWorld(t), newWorld(t)
	a := first.adapter("a", 1, "FAKE_CHILDREN", "1")
	first.create(a)
	first.start()
	first.await(a, "0 Ready")
	first.awaitChildren(1)
	before := first.alive()

	// The second one's folder is a copy of the first's.
	if err := os.CopyFS(second.config.AdaptersDir, os.DirFS(first.config.AdaptersDir)); err != nil {
		t.Fatal(err)
	}
	second.start()
	b := second.adapter("b", 1)
	second.create(b)
	second.await(b, "0 Ready")
	second.stop()
	if diff := cmp.Diff(before, first.alive()); diff != "" {
		t.Errorf("-before +after\n%s", diff)
	}
	first.await(a, "0 Ready")
}

func TestRecycledPidIsNotTaken(t *testing.T) {
	w := newWorld(t)
	d, err := New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	id := d.owner + newSuffix()
	dir := filepath.Join(d.cfg.AdaptersDir, "uid-a", id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]identity{
		"another start time":  {PID: os.Getpid(), StartTime: self.startTime + 1, BootID: d.boot},
		"another boot":        {PID: os.Getpid(), StartTime: self.startTime, BootID: "x"},
		"not marked as ours":  {PID: os.Getpid(), StartTime: self.startTime, BootID: d.boot},
		"no such process":     {PID: 1 << 30, StartTime: 1, BootID: d.boot},
		"not even a process":  {PID: -1, StartTime: 1, BootID: d.boot},
		"everybody's process": {PID: 1, StartTime: 1, BootID: d.boot},
	} {
		r := record{Instance: id, Adapter: "uid-a", identity: who}
		if err := r.write(dir); err != nil {
			t.Fatal(err)
		}
		if _, ok := d.adoptFolder(dir); ok {
			t.Errorf("%s: adopted", name)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// TestStartAfterAnOrderlyStopIsQuiet: what is left of one are only logs.
func TestStartAfterAnOrderlyStopIsQuiet(t *testing.T) {
	w := newWorld(t)
	a := w.adapter("a", 2)
	w.create(a)
	w.start()
	old := w.await(a, "0 Ready,1 Ready")
	w.stop()
	if !exists(w.dir(a, old[0])) {
		t.Error("the logs are gone")
	}
	before := len(w.logged.String())
	w.start()
	w.await(a, "0 Ready,1 Ready")
	if text := w.logged.String()[before:]; strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
		t.Errorf("the next start complains:\n%s", text)
	}
}
