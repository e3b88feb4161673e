package server_test

import (
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestPods: replicas have addresses, of which one is of a machine that is gone
// without a word, as Kubernetes has not noticed yet.
func TestPods(t *testing.T) {
	g := prepared(t)
	g.pods = true
	g.start(nil)
	g.extproc = newProcessor(t, g.socket("extproc.sock"))
	gone := adapters.Instance{ID: "gone", Ordinal: 2, Address: silence(t), State: adapters.InstanceReady}
	starts := adapters.Instance{ID: "starts", Ordinal: 3, State: adapters.InstanceStarting}
	r0, r1 := g.pod("r0", 0), g.pod("r1", 1)
	resumes := g.add("resumes", r0, r1, gone, starts)
	fails := g.addWith(adapters.RecoveryFail, "fails", r0, r1, gone, starts)
	g.startEnvoy()
	g.awaitProgrammed(resumes, "True")
	g.awaitProgrammed(fails, "True")
	ask := func(adapter string, pinned adapters.Instance) answer {
		return g.ask("POST", "/adapters/"+adapter+"/mcp", "Mcp-Session-Id", "session", "X-Test-Pin", base64.StdEncoding.EncodeToString([]byte(pinned.Address)))
	}
	served := func(got answer) string {
		replica, _, _ := strings.Cut(got.body, "\n")
		return replica
	}

	for _, pod := range []adapters.Instance{r0, r1} {
		for _, adapter := range []string{"resumes", "fails"} {
			if got := ask(adapter, pod); got.status != 200 || served(got) != pod.ID {
				t.Errorf("a session of %s of %s gets %v", pod.ID, adapter, got)
			}
		}
	}
	// One that drains keeps its sessions and gets no others.
	r1.State = adapters.InstanceDraining
	g.deployer.SetInstances(resumes.ID, r0, r1, gone, starts)
	g.deployer.SetInstances(fails.ID, r0, r1, gone, starts)
	g.awaitDraining(2)
	if got := ask("fails", r1); got.status != 200 || served(got) != "r1" {
		t.Errorf("a session of the replica that drains gets %v", got)
	}

	// Sessions of the one that is gone: go on elsewhere, or are told that it does
	// not answer, and not that they are over.
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if got := ask("resumes", gone); got.status != 200 || served(got) != "r0" {
				t.Errorf("a session that can go on elsewhere gets %v", got)
			}
			if got := ask("fails", gone); got.status != 503 {
				t.Errorf("a session that cannot gets %v", got)
			}
		})
	}
	group.Wait()
	// By now nobody is sent there any more.
	began := time.Now()
	if got := ask("resumes", gone); got.status != 200 || served(got) != "r0" || time.Since(began) > time.Second {
		t.Errorf("after %v a later one gets %v", time.Since(began), got)
	}
	if got := g.askAt(g.ops, "GET", "/healthz/envoy", "Host", "10.0.0.1:9090"); got.status != 200 || !strings.HasPrefix(got.body, "LIVE") {
		t.Errorf("a probe gets %v", got)
	}
}

// pod serves MCP at an address of its own.
func (g *gateway) pod(id string, ordinal int) adapters.Instance {
	g.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	g.serveOn(l, id, echo(id))
	return adapters.Instance{ID: id, Ordinal: ordinal, Address: l.Addr().String(), State: adapters.InstanceReady}
}

// silence is an address that does not answer, not even by refusing: nobody takes
// connections, and as many wait as can.
func silence(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(bound.(*syscall.SockaddrInet4).Port)).String()
	for {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}
