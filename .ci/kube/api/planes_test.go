package api

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestControlPlanes: two control planes, a real Envoy that knows both by mTLS, and
// its external processor. One control plane dies: Envoy goes to the other, which
// tells it nothing new, and changes go on. Both are dead: traffic goes on.
// Certificates of another authority: those that run take them up.
func TestControlPlanes(t *testing.T) {
	w := newWorld(t)
	planes := [2]*exec.Cmd{w.startPlane(0), w.startPlane(1)}
	eventually(t, "the gateway serves", func() bool {
		answer, err := w.gateway.Do(http.MethodGet, "/readyz", "")
		return err == nil && answer.Status == http.StatusOK
	})
	w.deploy("first", 2)
	session := w.gateway.Connect(t.Context(), "first")
	home, err := harness.Call(t.Context(), session, "where", nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := w.traffic(session, home)
	// Whichever of them is asked, though Envoy is connected to one.
	eventually(t, "both know that Envoy has accepted it", func() bool {
		for range 4 {
			answer, err := w.gateway.Do(http.MethodGet, "/adapters/first/status", "")
			if err != nil || !strings.Contains(answer.Body, `"reason":"Accepted"`) {
				return false
			}
		}
		return true
	})

	eventually(t, "both know what Envoy counts", func() bool {
		for range 4 {
			answer, err := w.gateway.Do(http.MethodGet, "/adapters/first/status", "")
			if err != nil || !strings.Contains(answer.Body, `"p50Seconds"`) || strings.Contains(answer.Body, `"incomplete"`) {
				return false
			}
		}
		return true
	})

	// One dies.
	first := w.connected()
	if first < 0 {
		t.Fatal("Envoy is connected to no control plane")
	}
	other := 1 - first
	before := w.updates()
	kill(planes[first])
	w.awaitConnected(other)
	eventually(t, "the API answers", func() bool {
		answer, err := w.gateway.Do(http.MethodGet, "/adapters", "")
		return err == nil && answer.Status == http.StatusOK
	})
	if after := w.updates(); after != before {
		t.Errorf("the other control plane told Envoy something new:\nbefore: %s\nafter: %s", before, after)
	}
	w.deploy("second", 1)

	// Both are dead.
	kill(planes[other])
	eventually(t, "nobody is there", func() bool { return w.connected() < 0 })
	for _, name := range []string{"first", "second"} {
		if _, err := harness.Call(t.Context(), w.gateway.Connect(t.Context(), name), "where", nil); err != nil {
			t.Errorf("a new session of %s without control planes: %v", name, err)
		}
	}
	if answer, err := w.gateway.Do(http.MethodGet, "/adapters", ""); err != nil || answer.Status != http.StatusServiceUnavailable {
		t.Errorf("the API without control planes: %d, error %v", answer.Status, err)
	}

	// Others come back with certificates that Envoy did not know at its start.
	w.certify(mtlstest.NewAuthority(t))
	planes[first] = w.startPlane(first)
	w.awaitConnected(first)
	w.change("first")

	// And again, of those that run.
	planes[other] = w.startPlane(other)
	w.certify(mtlstest.NewAuthority(t))
	w.awaitCertificates()
	kill(planes[first])
	w.awaitConnected(other)
	w.change("first")

	calls, longest, err := stop()
	if err != nil {
		t.Errorf("of %d calls meanwhile: %v", calls, err)
	}
	t.Logf("%d calls meanwhile, of which the longest took %v", calls, longest)
}
