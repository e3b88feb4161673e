package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestUpdateKeepsWhatIsInFlight(t *testing.T) {
	w := newWorld(t)
	w.start()
	sessions, gate := w.touch("sessions"), filepath.Join(filepath.Dir(w.pids), "gate")
	a := w.adapter("a", 2, "FAKE_SESSIONS", sessions)
	w.create(a)
	before := w.await(a, "0 Ready,1 Ready")

	a = w.adapter("a", 2, "FAKE_SESSIONS", sessions, "FAKE_GATE", gate)
	w.update(a)
	w.await(a, "0 Ready,0 Starting,1 Ready,1 Starting")
	w.touch("gate")
	after := w.await(a, "0 Draining,0 Ready,1 Draining,1 Ready")
	if after[0].ID != before[0].ID || after[2].ID != before[1].ID {
		t.Errorf("not the old ones drain: %+v", after)
	}
	for _, i := range []adapters.Instance{after[0], after[2]} {
		if w.record(a, i).DrainingSince.IsZero() {
			t.Errorf("draining of %s is not recorded", i.ID)
		}
	}
	w.remove(sessions)
	w.await(a, "0 Ready,1 Ready")
	w.eventually("the folders of the old ones are removed", func() bool {
		return !exists(w.dir(a, before[0])) && !exists(w.dir(a, before[1]))
	})
}

func TestUpdateThatFailsTakesNothingAway(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	before := w.await(a, "0 Ready")
	bad := w.adapter("a", 1, "FAKE_FAIL", "no such command")
	w.update(bad)
	during := w.await(a, "0 Ready,0 Failed")
	if during[0].ID != before[0].ID || during[1].Message != "no such command" {
		t.Errorf("got %+v", during)
	}
	// Another bad one replaces the first bad one, and the way back is free.
	w.update(w.adapter("a", 1, "FAKE_FAIL", "still none"))
	w.eventually("the newest failure is shown", func() bool {
		i := w.Instances()[a.ID]
		return describe(i) == "0 Ready,0 Failed" && i[1].Message == "still none"
	})
	w.update(a)
	after := w.await(a, "0 Ready")
	if after[0].ID != before[0].ID {
		t.Errorf("the replica that served was replaced: %+v", after)
	}
}

func TestChangesThatNeedNoNewProcess(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	before := w.await(a, "0 Ready")
	a.Description, a.RequiredRoles = "else", []string{"x"}
	w.update(a)
	b := w.adapter("b", 1) // shows that the update has been seen
	w.create(b)
	w.await(b, "0 Ready")
	if after := w.Instances()[a.ID]; after[0].ID != before[0].ID {
		t.Errorf("%+v was replaced by %+v", before, after)
	}
}

func TestScale(t *testing.T) {
	w := newWorld(t)
	w.start()
	sessions := w.touch("sessions")
	a := w.adapter("a", 1, "FAKE_SESSIONS", sessions)
	w.create(a)
	first := w.await(a, "0 Ready")[0]
	a.ReplicaCount = 3
	w.update(a)
	three := w.await(a, "0 Ready,1 Ready,2 Ready")
	a.ReplicaCount = 1
	w.update(a)
	w.await(a, "0 Ready,1 Draining,2 Draining")
	// A replica that drains does not come back: another takes its place.
	a.ReplicaCount = 2
	w.update(a)
	w.await(a, "0 Ready,1 Draining,1 Ready,2 Draining")
	w.remove(sessions)
	last := w.await(a, "0 Ready,1 Ready")
	if last[0].ID != first.ID || three[0].ID != first.ID || last[1].ID == three[1].ID {
		t.Errorf("got %+v, %+v, %+v", first, three, last)
	}
	a.ReplicaCount = 0
	w.update(a)
	w.await(a, "")
}

func TestDeleteEndsTheStubborn(t *testing.T) {
	w := newWorld(t)
	w.start()
	sessions := w.touch("sessions")
	a := w.adapter("a", 1, "FAKE_CHILDREN", "1", "FAKE_IGNORE", "interrupt", "FAKE_SESSIONS", sessions)
	w.create(a)
	w.await(a, "0 Ready")
	w.awaitChildren(1)
	cache := filepath.Join(w.config.AdaptersDir, string(a.ID), workName, "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, "file"), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(cache, 0o500); err != nil {
		t.Fatal(err)
	}
	w.delete(a)
	w.await(a, "")
	if left := w.alive(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	w.eventually("the folder is removed", func() bool {
		return !exists(filepath.Join(w.config.AdaptersDir, string(a.ID)))
	})
}

func TestRecreatedAdapterSharesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	w.await(a, "0 Ready")
	w.delete(a)
	again := a
	again.ID = "uid-again"
	w.create(again)
	w.await(again, "0 Ready")
	w.await(a, "")
}

func TestDrainHasAnEnd(t *testing.T) {
	for name, variables := range map[string][]string{
		"told to stop by nobody": {"FAKE_SESSIONS", "/"},
		"deaf":                   {"FAKE_IGNORE", "terminated,interrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.DrainTimeout = 100*time.Millisecond - drainMargin
			w.start()
			a := w.adapter("a", 1, variables...)
			w.create(a)
			w.await(a, "0 Ready")
			a.ReplicaCount = 0
			w.update(a)
			w.await(a, "")
			if !strings.Contains(w.logged.String(), "did not drain in time") {
				t.Error("it drained in time")
			}
		})
	}
}

func TestShutdownEndsEverything(t *testing.T) {
	w := newWorld(t)
	w.start()
	sessions := w.touch("sessions")
	good := w.adapter("good", 2, "FAKE_CHILDREN", "1", "FAKE_SESSIONS", sessions)
	stubborn := w.adapter("stubborn", 1, "FAKE_IGNORE", "interrupt,terminated")
	dying := w.adapter("dying", 1, "FAKE_EXIT", "1")
	for _, a := range []adapters.Adapter{good, stubborn, dying} {
		w.create(a)
	}
	ready := w.await(good, "0 Ready,1 Ready")
	w.await(stubborn, "0 Ready")
	w.awaitChildren(2)
	w.stop()
	if left := w.alive(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if n := len(w.Instances()); n > 0 {
		t.Errorf("%d adapters are still shown", n)
	}
	// The logs stay for who wants to know, until the next start.
	if !exists(filepath.Join(w.dir(good, ready[0]), logName)) {
		t.Error("the log is gone")
	}
	w.start()
	next := w.await(good, "0 Ready,1 Ready")
	if next[0].ID == ready[0].ID || exists(w.dir(good, ready[0])) {
		t.Error("the old replica's folder is still there")
	}
}
