package e2e

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

func TestStartShowsTheWayAndStopLeavesNothing(t *testing.T) {
	m := harness.Start(t, harness.Dir(t.TempDir()))
	for _, want := range []string{
		"extproc is up", "xds is up", "envoy is up", "http://" + m.Listen, m.OpsListen, "curl ", m.State,
	} {
		if !strings.Contains(m.Console(), want) {
			t.Errorf("the console does not show %q", want)
		}
	}
	m.Deploy(m.TestServer("a", 2))
	call(t, m, "a", "who", nil)
	sockets := 0
	err := filepath.WalkDir(m.State, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode.Perm()&0o077 != 0 && !strings.Contains(path, "/work") {
			t.Errorf("others may use %s: %v", path, mode)
		}
		if info.Mode()&fs.ModeSocket != 0 {
			sockets++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Envoy's admin, three of extproc, three of xds, two bridges.
	if sockets != 9 {
		t.Errorf("%d sockets in the state folder, not 9", sockets)
	}
	m.Stop()
	if !strings.HasSuffix(m.Console(), "mooring: stopped\n") {
		t.Error("the console does not end with the stop")
	}
	if _, err := os.Stat(filepath.Join(m.State, "run")); !os.IsNotExist(err) {
		t.Errorf("sockets are left: %v", err)
	}
}

func TestNextStartBringsAdaptersBack(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	m.Stop()
	next := harness.Start(t, harness.State(m.State))
	next.AwaitReady("a", 1, 30*time.Second)
	call(t, next, "a", "who", nil)
}

func TestSecondStartOnTheSameFolderIsRefused(t *testing.T) {
	m := harness.Start(t)
	second := harness.Launch(t, harness.State(m.State))
	if code := second.AwaitEnd(); code == 0 {
		t.Error("it ended with exit code 0")
	}
	if want := fmt.Sprintf("process %d", m.LauncherPID()); !strings.Contains(second.Console(), want) {
		t.Errorf("it does not name %q: %s", want, second.Console())
	}
	m.MustDo(200, "GET", "/readyz", "")
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, flag := range []string{"--listen", "--ops-listen"} {
		m := harness.Launch(t, harness.Args(flag, l.Addr().String()))
		if code := m.AwaitEnd(); code == 0 {
			t.Error("it ended with exit code 0")
		}
		if want := flag + " " + l.Addr().String(); !strings.Contains(m.Console(), want) {
			t.Errorf("it does not name %q: %s", want, m.Console())
		}
	}
}

func TestTheNetworkIsRefused(t *testing.T) {
	m := harness.Launch(t, harness.Args("--listen", "0.0.0.0:1234"))
	if code := m.AwaitEnd(); code == 0 || !strings.Contains(m.Console(), "development mode") {
		t.Errorf("exit code %d: %s", code, m.Console())
	}
}

func TestLongStatePath(t *testing.T) {
	m := harness.Start(t, harness.State(filepath.Join(envoytest.SocketDir(t), strings.Repeat("long", 40))))
	m.Deploy(m.TestServer("a", 1))
	call(t, m, "a", "who", nil)
}

func TestSecondCtrlCForcesTheEnd(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	ctx := limited(t, 30*time.Second)
	if _, err := harness.Call(ctx, m.Connect(ctx, "a"), "who", nil); err != nil {
		t.Fatal(err)
	}
	// A control plane that hangs would be waited for.
	if err := syscall.Kill(m.PID("xds"), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	m.Signal(syscall.SIGINT)
	m.Await("the first is seen", 5*time.Second, func() bool { return strings.Contains(m.Console(), "Ctrl-C again") })
	m.Signal(syscall.SIGINT)
	m.AwaitEnd()
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	m.Stop()
}

func TestKilledLauncherLeavesNothing(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	ctx := limited(t, 30*time.Second)
	if _, err := harness.Call(ctx, m.Connect(ctx, "a"), "who", nil); err != nil {
		t.Fatal(err)
	}
	pids := harness.Descendants(append(m.Bridges(), m.PID("xds"), m.PID("extproc"), m.PID("envoy"))...)
	m.Kill(m.LauncherPID())
	m.Await("all processes end", 20*time.Second, func() bool {
		for _, pid := range pids {
			if harness.Alive(pid) {
				return false
			}
		}
		return true
	})
}

// TestStartRightAfterKill shows that parts of a killed launcher that still end
// do not disturb the next one.
func TestStartRightAfterKill(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	m.Kill(m.LauncherPID())
	next := harness.Start(t, harness.State(m.State))
	next.AwaitReady("a", 1, 30*time.Second)
	call(t, next, "a", "who", nil)
}

// TestBridgesEndWithoutAnyOwner kills launcher and control plane at once: nobody
// is left to end the bridges, which therefore end themselves.
func TestBridgesEndWithoutAnyOwner(t *testing.T) {
	t.Parallel() // it waits for the lease to run out
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	m.Initialize("a").MustCall("who")
	pids := harness.Descendants(m.Bridges()...)
	if len(pids) < 3 {
		t.Fatalf("bridges and servers: %v", pids)
	}
	for _, pid := range []int{m.PID("xds"), m.LauncherPID()} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	m.AwaitEnd()
	if len(m.Bridges()) != 2 {
		t.Error("bridges ended at once, with their sessions")
	}
	m.Await("bridges and servers end", time.Minute, func() bool { return !slices.ContainsFunc(pids, harness.Alive) })
}
