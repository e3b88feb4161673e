package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestSessionsGoOnElsewhere holds where a session goes whose replica is gone: to
// one other, the same each time, and to its own again once that is back.
func TestSessionsGoOnElsewhere(t *testing.T) {
	const sessions = 60
	g := newGateway(t, nil)
	replicas := []adapters.Instance{g.replica("r0"), g.replica("r1"), g.replica("r2"), g.replica("r3")}
	for i := range replicas {
		replicas[i].Ordinal = i
	}
	a := g.add("one", replicas[:3]...)
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	pin := func(id string) string { return base64.StdEncoding.EncodeToString([]byte(g.socket(id))) }
	ask := func(session int, pinned string) string {
		got := g.ask("POST", "/adapters/one/mcp", "Mcp-Session-Id", fmt.Sprintf("session-%d", session), "X-Test-Pin", pin(pinned))
		if got.status != 200 {
			t.Fatalf("session %d gets %v", session, got)
		}
		replica, _, _ := strings.Cut(got.body, "\n")
		return replica
	}
	homes := func(pinned string) (of []string, shares map[string]int) {
		shares = map[string]int{}
		for session := range sessions {
			of = append(of, ask(session, pinned))
			shares[of[session]]++
		}
		return of, shares
	}

	if _, shares := homes("r1"); shares["r1"] != sessions {
		t.Errorf("sessions of r1 are served by %v", shares)
	}
	before, shares := homes("gone")
	if len(shares) != 3 || shares["r0"] < sessions/10 || shares["r1"] < sessions/10 || shares["r2"] < sessions/10 {
		t.Errorf("sessions whose replica is gone are served by %v", shares)
	}
	for session, home := range before {
		if again := ask(session, "gone"); again != home {
			t.Errorf("session %d went to %q, then to %q", session, home, again)
		}
	}

	// A replica that drains keeps its own and gets none of the others'.
	replicas[0].State = adapters.InstanceDraining
	g.deployer.SetInstances(a.ID, replicas[0], replicas[1], replicas[2])
	g.awaitDraining(1)
	if _, shares := homes("r0"); shares["r0"] != sessions {
		t.Errorf("sessions of the replica that drains are served by %v", shares)
	}
	if _, shares := homes("gone"); shares["r0"] != 0 {
		t.Errorf("sessions whose replica is gone are served by %v", shares)
	}

	// One after the other: a single replica, then three again.
	g.deployer.SetInstances(a.ID, replicas[3])
	g.await("r3 is alone", func() bool { _, shares := homes("gone"); return shares["r3"] == sessions })
	replicas[0].State = adapters.InstanceReady
	g.deployer.SetInstances(a.ID, replicas[:3]...)
	g.await("r3 is gone", func() bool { _, shares := homes("gone"); return shares["r3"] == 0 })
	for session, home := range before {
		if again := ask(session, "gone"); again != home {
			t.Errorf("session %d went to %q, and at last to %q", session, home, again)
		}
	}
}

// TestOnlyUnsentRequestsAreSentAgain counts what arrives.
func TestOnlyUnsentRequestsAreSentAgain(t *testing.T) {
	g := newGateway(t, nil)
	var asked, broken atomic.Int32
	g.serve("busy", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 4 {
			w.Header().Set("X-Mooring-Unsent", "1")
			w.WriteHeader(503)
		}
	}))
	g.serve("breaks", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		broken.Add(1)
		panic(http.ErrAbortHandler)
	}))
	busy := g.add("busy", adapters.Instance{ID: "busy", Address: g.socket("busy"), State: adapters.InstanceReady})
	breaks := g.add("breaks", adapters.Instance{ID: "breaks", Address: g.socket("breaks"), State: adapters.InstanceReady})
	waits := g.add("waits", adapters.Instance{ID: "waits", Address: g.socket("waits"), State: adapters.InstanceStarting})
	g.startEnvoy()
	for _, a := range []adapters.Adapter{busy, breaks, waits} {
		g.awaitProgrammed(a, "True")
	}
	got := g.ask("POST", "/adapters/busy/mcp", "Mcp-Session-Id", "s")
	if got.status != 200 || asked.Load() != 4 || got.header.Get("X-Mooring-Unsent") != "" {
		t.Errorf("after %d tries: %v", asked.Load(), got)
	}
	wantError(t, g.ask("POST", "/adapters/breaks/mcp", "Mcp-Session-Id", "s"), 502, -32603)
	if broken.Load() != 1 {
		t.Errorf("a request that may have run was sent %d times", broken.Load())
	}
	// A replica that is the only one is waited for.
	answers := make(chan answer, 1)
	go func() { answers <- g.ask("POST", "/adapters/waits/mcp", "Mcp-Session-Id", "s") }()
	g.await("a try that failed", func() bool {
		return strings.Contains(string(g.envoy.AdminGet("/stats?filter=cluster.waits.upstream_rq_retry$&usedonly")), "upstream_rq_retry")
	})
	g.replica("waits")
	select {
	case got := <-answers:
		if got.status != 200 || !strings.HasPrefix(got.body, "waits\n") {
			t.Errorf("the one that waited: %v", got)
		}
	case <-time.After(patience):
		t.Error("the one that waited got no answer")
	}
}

func (g *gateway) awaitDraining(n int) {
	g.t.Helper()
	g.await("replicas drain", func() bool {
		return strings.Count(string(g.envoy.AdminGet("/clusters?format=json")), `"DRAINING"`) == n
	})
}
