package server_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// counting serves MCP at an address of its own, and counts what arrives, by the
// length of its body.
func (g *gateway) counting(id string) (adapters.Instance, *atomic.Int32) {
	g.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	arrived := new(atomic.Int32)
	g.serveOn(l, id, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		size, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %d %s", id, size, r.Host)
	}))
	return adapters.Instance{ID: id, Address: l.Addr().String(), State: adapters.InstanceReady}, arrived
}

// sleeping stores an adapter that is to have a replica, and has none.
func (g *gateway) sleeping(recovery adapters.SessionRecovery, name string) adapters.Adapter {
	g.t.Helper()
	a := g.addWith(recovery, name)
	before := a.Revision
	a.ReplicaCount = 1
	a, err := g.store.Update(g.t.Context(), a, before)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// TestRequestsAreHeld: a request to an adapter without replicas waits for one, and
// arrives once.
func TestRequestsAreHeld(t *testing.T) {
	g := prepared(t)
	g.pods, g.wakes = true, new(atomic.Int32)
	g.start(nil)
	g.extproc = newProcessor(t, g.socket("extproc.sock"))
	list := []adapters.Adapter{g.sleeping(adapters.RecoveryResume, "resumes"), g.sleeping(adapters.RecoveryFail, "fails")}
	g.startEnvoy()
	for _, a := range list {
		g.awaitProgrammed(a, "True")
	}
	const size = 1 << 20
	for _, a := range list {
		for _, headers := range [][2]string{{"Mcp-Protocol-Version", "2025-11-25"}, {"Mcp-Protocol-Version", "2026-07-28"}} {
			before := g.wakes.Load()
			answers := make(chan answer, 1)
			go func() {
				answers <- g.post("/adapters/"+a.Name+"/mcp", strings.Repeat(" ", size), headers[0], headers[1])
			}()
			g.await("somebody is to be woken", func() bool { return g.wakes.Load() > before })
			pod, arrived := g.counting("pod-" + a.Name)
			g.deployer.SetInstances(a.ID, pod)
			got := <-answers
			if want := fmt.Sprintf("pod-%s %d mcp.example.com", a.Name, size); got.status != 200 || got.body != want || arrived.Load() != 1 {
				t.Errorf("%s, %s: %v, and %d requests arrived", a.Name, headers[1], got, arrived.Load())
			}
			g.deployer.SetInstances(a.ID)
			g.await("it sleeps again", func() bool {
				return !strings.Contains(string(g.envoy.AdminGet("/clusters")), pod.Address)
			})
		}
	}
	g.notHeld(list)
}

// notHeld: of what comes, some wakes nobody.
func (g *gateway) notHeld(list []adapters.Adapter) {
	g.t.Helper()
	before := g.wakes.Load()
	gone := base64.StdEncoding.EncodeToString([]byte("127.0.0.1:9"))
	if got := g.ask("POST", "/adapters/fails/mcp", "Mcp-Session-Id", "s", "X-Test-Pin", gone); got.status != 404 {
		g.t.Errorf("a session that is lost gets %v", got)
	}
	if got := g.ask("POST", "/adapters/"+list[0].Name+"/mcp", "X-Test-Refuse", "1"); got.status != 401 {
		g.t.Errorf("who may not call gets %v", got)
	}
	if got := g.ask("POST", "/mcp", "Host", contract.HostWaker, "X-Mooring-Adapter", "resumes"); got.status != 421 {
		g.t.Errorf("who names the waker's host gets %v", got)
	}
	if got := g.ask("POST", "/mcp", "X-Mooring-Adapter", "resumes"); got.status != 200 || got.body != "api POST /mcp" {
		g.t.Errorf("who names an adapter gets %v", got)
	}
	if got := g.ask("DELETE", "/adapters/resumes/mcp", "Mcp-Session-Id", "s", "X-Test-Pin", gone); got.status != 204 {
		g.t.Errorf("the end of a session gets %v", got)
	}
	if got := g.wakes.Load(); got != before {
		g.t.Errorf("woken %d times by those", got-before)
	}
}

// post sends a body of blanks and a message in it to the public host.
func (g *gateway) post(path, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.listen+path, strings.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return answer{}
	}
	r.Host = "mcp.example.com"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Error(err)
		return answer{}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Error(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}
