package local

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestParseStat(t *testing.T) {
	const fields = " 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99887 1 2 3"
	for name, text := range map[string]string{
		"plain": "7 (sh) S" + fields, "spaces": "7 (a b) S" + fields, "brackets": "7 (a) R 1 (b)) S" + fields,
	} {
		got, err := parseStat([]byte(text))
		if want := (stat{state: 'S', group: 42, session: 43, startTime: 99887}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", ")", "7 (sh) S 1 2", "7 (sh) SS" + fields, "7 (sh) S 1 x" + fields} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (sh) S 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99887 1 2 3"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseStat(text); err == nil && !bytes.Contains(text, []byte{s.state}) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}

func FuzzParseHealth(f *testing.F) {
	for _, seed := range []string{`{"state":"Ready"}`, `{"state":"Failed","reason":"X","message":"y"}`, `{"state":"Ready","tools":["a"]}`, `{"state":1}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := parseHealth(body)
		if err != nil {
			return
		}
		switch h.state {
		case adapters.InstanceStarting, adapters.InstanceReady, adapters.InstanceFailed, adapters.InstanceDraining:
		default:
			t.Errorf("%q: %+v", body, h)
		}
	})
}

// TestWaitWithoutPidfd: older kernels, and containers whose seccomp rules do not
// know pidfds, are served by looking at /proc.
func TestWaitWithoutPidfd(t *testing.T) {
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	for _, pidfd := range []bool{true, false} {
		cmd := exec.Command("sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s, err := readStat(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		p, alive := (identity{PID: cmd.Process.Pid, StartTime: s.startTime, BootID: boot}).open(boot)
		if !alive {
			t.Fatal("a running process is not taken for one")
		}
		if !pidfd {
			p.close()
			p.fd = nil
		}
		p.cmd = cmd
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		p.wait(ctx)
		cancel()
		if !p.isAlive(boot) {
			t.Error("it is dead though nobody killed it")
		}
		if err := p.signal(9); err != nil {
			t.Error(err)
		}
		p.wait(t.Context())
		if p.isAlive(boot) {
			t.Error("wait returned before its end")
		}
		if how := p.reap(); how != "signal: killed" {
			t.Errorf("it ended: %s", how)
		}
	}
}

func TestBackoff(t *testing.T) {
	for deaths, want := range map[int]time.Duration{
		0: 0, 1: 0, 2: 500 * time.Millisecond, 3: time.Second, 7: 16 * time.Second, 8: longestBackoff, 9: longestBackoff, 1 << 40: longestBackoff,
	} {
		if got := backoff(deaths); got != want {
			t.Errorf("%d deaths: %s, want %s", deaths, got, want)
		}
	}
}

// TestUnreadableRecordsKeepWhatTheyHave: the folder and the replicas of an
// adapter whose record cannot be read are there when it can be again.
func TestUnreadableRecordsKeepWhatTheyHave(t *testing.T) {
	w := newWorld(t)
	a := w.adapter("locked", 1)
	w.create(a)
	w.create(w.adapter("canary", 1))
	w.start()
	ready := func(id adapters.UID) bool {
		running := w.Instances()[id]
		return len(running) == 1 && running[0].State == adapters.InstanceReady
	}
	w.eventually("both are ready", func() bool { return ready(a.ID) && ready("uid-canary") })
	instance := w.Instances()[a.ID][0]
	written := filepath.Join(w.config.AdaptersDir, string(a.ID), workName, "written")
	if err := os.WriteFile(written, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.store.Lock("locked", true)
	if err := w.store.Delete(t.Context(), "canary", ""); err != nil {
		t.Fatal(err)
	}
	w.eventually("the canary is gone", func() bool { return !exists(w.config.AdaptersDir + "/uid-canary") })
	if !ready(a.ID) || w.Instances()[a.ID][0].ID != instance.ID {
		t.Error("its replica was ended")
	}
	// The same for a start that finds it so.
	w.stop()
	w.create(w.adapter("canary", 1))
	w.start()
	w.eventually("the canary is ready", func() bool { return ready("uid-canary") })
	if !exists(written) {
		t.Error("what its server wrote is gone")
	}
	w.store.Lock("locked", false)
	w.eventually("it is back", func() bool { return ready(a.ID) && exists(written) })
	w.store.Lock("locked", true)
	if err := w.store.Delete(t.Context(), "locked", ""); err != nil {
		t.Fatal(err)
	}
	w.eventually("it is gone", func() bool { return !exists(w.config.AdaptersDir + "/" + string(a.ID)) })
}

func TestOnlyOwnFoldersAreRemoved(t *testing.T) {
	w := newWorld(t)
	foreign := w.config.AdaptersDir + "/holiday/photos"
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.config.AdaptersDir+"/uid-gone/work", 0o700); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.eventually("the folder of a deleted adapter is removed", func() bool { return !exists(w.config.AdaptersDir + "/uid-gone") })
	w.stop()
	if !exists(foreign) {
		t.Error("somebody's folder is gone")
	}
}
