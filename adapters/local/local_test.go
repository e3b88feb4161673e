package local

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestSupportsOnlyTheBridge(t *testing.T) {
	w := newWorld(t)
	d, err := New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Supports(adapters.Spec{ImageName: adapters.BridgeImage}); err != nil {
		t.Error(err)
	}
	err = d.Supports(adapters.Spec{ImageName: "ghcr.io/x/y"})
	if !errors.Is(err, adapters.ErrUnsupported) || !strings.Contains(err.Error(), "Kubernetes") {
		t.Errorf("got %v", err)
	}
}

func TestWorkloadIdentityHasNoEffect(t *testing.T) {
	d, err := New(newWorld(t).config)
	if err != nil {
		t.Fatal(err)
	}
	a := adapters.Adapter{LastUpdatedAt: time.Unix(1, 0).UTC()}
	if got := d.Conditions(a); got != nil {
		t.Errorf("got %v for an adapter that asks for nothing", got)
	}
	a.UseWorkloadIdentity = true
	got := d.Conditions(a)
	if len(got) != 1 || got[0].Type != adapters.ConditionWorkloadIdentity || got[0].Status != adapters.StatusFalse ||
		got[0].Reason != adapters.ReasonNoEffect || !got[0].LastTransitionTime.Equal(a.LastUpdatedAt) {
		t.Errorf("got %v", got)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := newWorld(t).config
	for name, change := range map[string]func(*Config){
		"no store":         func(c *Config) { c.Store = nil },
		"no folder":        func(c *Config) { c.AdaptersDir = "" },
		"no run folder":    func(c *Config) { c.RunDir = "" },
		"no bridge":        func(c *Config) { c.Bridge = "" },
		"long run folder":  func(c *Config) { c.RunDir = "/" + strings.Repeat("x", 100) },
		"folder is a file": func(c *Config) { c.AdaptersDir = c.Bridge },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBridgeGetsWhatItShould(t *testing.T) {
	t.Setenv("SECRET_OF_THE_GATEWAY", "x")
	leaked := inheritable(t)

	w := newWorld(t)
	w.config.Lease = filepath.Join(filepath.Dir(w.pids), "lock")
	w.config.Own = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::]:9090")}
	w.config.Environ = []string{"PATH=/bin", "HOME=/h", "LC_ALL=C", "UV_CACHE_DIR=/u", "http_proxy=p", "AWS_SECRET=x", "MOORING_STATE=/s", "TZ=UTC", "broken"}
	w.start()
	a := w.adapter("a", 2, "TZ", "Europe/Berlin", "MCP_COMMAND", "x")
	w.create(a)
	instances := w.await(a, "0 Ready,1 Ready")
	if instances[0].ID == instances[1].ID || instances[0].Address == instances[1].Address {
		t.Errorf("replicas are not apart: %+v", instances)
	}
	for _, i := range instances {
		saw := w.saw(a, i)
		want := []string{
			"FAKE_PIDS=" + w.pids, "FAKE_ROLE=bridge", "GORACE=atexit_sleep_ms=0", "HOME=/h", "LC_ALL=C", "MCP_COMMAND=x",
			"MOORING_ADAPTER=a", "MOORING_INSTANCE=" + i.ID, "PATH=/bin", "TZ=Europe/Berlin", "UV_CACHE_DIR=/u", "http_proxy=p",
		}
		if diff := cmp.Diff(want, saw.Environ); diff != "" {
			t.Errorf("environment: -want +got\n%s", diff)
		}
		arguments := []string{
			"--listen", "unix:" + i.Address, "--log-file", filepath.Join(w.dir(a, i), "bridge.log"),
			"--state-dir", filepath.Join(w.dir(a, i), "state"),
			"--sealing-key", filepath.Join(w.config.AdaptersDir, string(a.ID), "keys", "sealing.key"),
			"--sessions-dir", filepath.Join(w.config.AdaptersDir, string(a.ID), "sessions"), "--work-dir", filepath.Join(w.config.AdaptersDir, string(a.ID), "work"),
			"--drain-timeout", "20s", "--allow-loopback",
			"--deny-dial", "127.0.0.1:8080", "--deny-dial", "[::]:9090", "--lease", w.config.Lease,
		}
		if diff := cmp.Diff(arguments, saw.Arguments); diff != "" {
			t.Errorf("arguments: -want +got\n%s", diff)
		}
		crash := filepath.Join(w.dir(a, i), crashLogName)
		for _, d := range saw.Descriptors {
			ours := d == os.DevNull || d == crash || strings.HasPrefix(d, "anon_inode:") || strings.HasPrefix(d, "/proc/") || strings.HasPrefix(d, "/sys/fs/cgroup/") // Go's runtime
			if !ours || d == leaked {
				t.Errorf("descriptor of %s is inherited", d)
			}
		}
		r := w.record(a, i)
		s, err := readStat(r.PID)
		if err != nil || s.session != r.PID || s.group != r.PID || r.StartTime != s.startTime || r.BootID != w.boot {
			t.Errorf("process %+v, record %+v, %v", s, r, err)
		}
		if r.Template != a.TemplateHash() || i.TemplateHash != r.Template || r.Ordinal != i.Ordinal || r.Socket != i.Address {
			t.Errorf("record %+v of instance %+v", r, i)
		}
	}
}

// inheritable leaves a descriptor open that is not closed on exec, as a careless
// parent would, and says what it is of.
func inheritable(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leak")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDeadBridgeIsReplacedWithAllItLeaves(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.config.Metrics = registry
	w.start()
	a := w.adapter("a", 1, "FAKE_CHILDREN", "1")
	w.create(a)
	before := w.await(a, "0 Ready")[0]
	w.awaitChildren(1)
	old := w.alive()
	w.killBridge(a, before)
	w.eventually("another bridge serves", func() bool {
		i := w.Instances()[a.ID]
		return len(i) == 1 && i[0].State == adapters.InstanceReady && i[0].Restarts == 1
	})
	for _, pid := range w.alive() {
		if slices.Contains(old, pid) {
			t.Errorf("process %d outlived its bridge", pid)
		}
	}
	if n := testutil.ToFloat64(w.metrics.deaths); n != 1 {
		t.Errorf("%v deaths are counted", n)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestBridgeThatKeepsDyingSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1, "FAKE_EXIT", "3")
	w.create(a)
	w.eventually("it was tried again", func() bool {
		i := w.Instances()[a.ID]
		return len(i) == 1 && i[0].Restarts >= 2
	})
	i := w.await(a, "0 Failed")[0]
	if i.Reason != "BridgeExited" || !strings.Contains(i.Message, "exit status 3") || !strings.Contains(i.Message, "cannot go on") {
		t.Errorf("got %q: %q", i.Reason, i.Message)
	}
}

func TestHungBridgeIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.silence = 500 * time.Millisecond
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	i := w.await(a, "0 Ready")[0]
	if err := syscall.Kill(w.record(a, i).PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.eventually("another bridge serves", func() bool {
		i := w.Instances()[a.ID]
		return len(i) == 1 && i[0].State == adapters.InstanceReady && i[0].Restarts > 0
	})
}

func TestMissingBridgeSaysSo(t *testing.T) {
	w := newWorld(t)
	w.config.Bridge = filepath.Join(w.pids, "none")
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	w.eventually("it failed", func() bool {
		i := w.Instances()[a.ID]
		return len(i) == 1 && i[0].Reason == "BridgeStartFailed" && strings.Contains(i[0].Message, "no such file")
	})
}

func TestFailureOfTheServerIsShown(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1, "FAKE_FAIL", "the command ended with exit code 1")
	w.create(a)
	i := w.await(a, "0 Failed")[0]
	if i.Reason != "CommandExited" || i.Message != "the command ended with exit code 1" {
		t.Errorf("got %q: %q", i.Reason, i.Message)
	}
}

func TestRestartsCountTheServersToo(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1, "FAKE_RETRIES", "5")
	w.create(a)
	i := w.await(a, "0 Ready")[0]
	if i.Restarts != 5 {
		t.Errorf("%d restarts of a server that was started anew 5 times", i.Restarts)
	}
	w.killBridge(a, i)
	w.eventually("the next bridge's are added", func() bool {
		i := w.Instances()[a.ID]
		return len(i) == 1 && i[0].State == adapters.InstanceReady && i[0].Restarts == 5+1+5
	})
}

func TestToolsOfTheServerAreShown(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1, "FAKE_TOOLS", "echo who")
	w.create(a)
	if i := w.await(a, "0 Ready")[0]; !slices.Equal(i.Tools, []string{"echo", "who"}) {
		t.Errorf("tools %q", i.Tools)
	}
}

func TestStoreThatFailsLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.adapter("a", 1)
	w.create(a)
	before := w.await(a, "0 Ready")
	w.store.Fail(errors.New("disk on fire"))
	w.store.Notify()
	w.eventually("the failure was seen", func() bool { return strings.Contains(w.logged.String(), "disk on fire") })
	if diff := cmp.Diff(before, w.Instances()[a.ID]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	w.store.Fail(nil)
	b := w.adapter("b", 1)
	w.create(b)
	w.await(b, "0 Ready")
}
