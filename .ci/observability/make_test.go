package observability

import (
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// asAUserWould runs `make observe` beside the gateway: it prints where
// Prometheus is, that scrapes every part and has the alerts, and Ctrl-C ends it.
func asAUserWould(t *testing.T, m *harness.Mooring) {
	t.Helper()
	p := &prometheus{t: t, listen: envoytest.FreeAddress(t)}
	cmd := exec.Command("make", "observe")
	cmd.Dir = envoytest.ModuleRoot(t)
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "MOORING_STATE="+m.State, "MOORING_OPS_LISTEN="+m.OpsListen, "OBSERVE_LISTEN="+p.listen)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // or it is gone
		if t.Failed() {
			<-ended
			t.Logf("make observe says:\n%s", out.String())
		}
	})
	p.awaitReady(m)
	m.Await("every part is scraped", 30*time.Second, func() bool {
		var data struct {
			ActiveTargets []struct {
				Labels map[string]string
				Health string
			}
		}
		if err := p.get("/api/v1/targets", url.Values{"state": {"active"}}, &data); err != nil {
			t.Fatal(err)
		}
		up := map[string]bool{}
		for _, target := range data.ActiveTargets {
			up[target.Labels["job"]] = target.Health == "up"
		}
		return up["mooring-envoy"] && up["mooring-extproc"] && up["mooring-xds"]
	})
	if alerts := p.alerts(); len(alerts) < 10 {
		t.Errorf("it has %d alerts", len(alerts))
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		ended <- err // that it was interrupted
	case <-time.After(30 * time.Second):
		t.Fatal("Ctrl-C does not end it")
	}
	for _, page := range []string{"/graph", "/targets", "/alerts"} {
		if !strings.Contains(out.String(), "http://"+p.listen+page) {
			t.Errorf("it does not say where %s is:\n%s", page, out.String())
		}
	}
}
