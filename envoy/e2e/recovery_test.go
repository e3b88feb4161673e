package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// fleet are sessions of an adapter whose calls leave traces in a file.
type fleet struct {
	*harness.Fleet
	t       *testing.T
	m       *harness.Mooring
	adapter string
	trace   string
}

// newFleet opens n sessions.
func newFleet(t *testing.T, m *harness.Mooring, adapter string, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, m: m, adapter: adapter, trace: filepath.Join(t.TempDir(), "trace")}
	f.Fleet = harness.NewFleet(t, m, adapter, n, func(text string) (string, any) {
		return "record", map[string]any{"file": f.trace, "text": text, "milliseconds": 5}
	})
	return f
}

// ranOnce fails the test where a call ran twice, or one that was answered did
// not.
func (f *fleet) ranOnce() {
	f.t.Helper()
	results, statuses := f.Results(), f.Statuses()
	f.t.Logf("%d calls; answers that were not 2xx: %v", len(results), statuses)
	if statuses[http.StatusNotFound] > 0 {
		f.t.Errorf("a session that can go on was answered 404: %v", statuses)
	}
	text, err := os.ReadFile(f.trace)
	if err != nil {
		f.t.Fatal(err)
	}
	ran := map[string]int{}
	for line := range strings.Lines(string(text)) {
		ran[strings.TrimSpace(line)]++
	}
	for call, err := range results {
		if ran[call] > 1 || ran[call] == 0 && err == nil {
			f.t.Errorf("a call ran %d times; its answer's error is %v", ran[call], err)
		}
	}
}

// recovered is how many sessions went on with a new process, as the replicas
// that there are count it.
func (f *fleet) recovered(replicas int) int {
	f.t.Helper()
	sum := 0
	for i := range replicas {
		text, err := f.m.Metrics("adapters/" + f.adapter + "/" + strconv.Itoa(i))
		if err != nil {
			f.t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, `event="recovered"`) {
				n, _ := strconv.Atoi(strings.Fields(line)[1])
				sum += n
			}
		}
	}
	return sum
}

// scale sets how many replicas there are, and waits until no other is left.
func (f *fleet) scale(spec adapters.Spec, replicas int) {
	f.t.Helper()
	spec.ReplicaCount = replicas
	f.m.API(http.StatusOK, http.MethodPut, "/adapters/"+spec.Name, harness.JSON(f.m, spec))
	f.m.AwaitReady(spec.Name, replicas, 30*time.Second)
	f.m.Await("the others are gone", 20*time.Second, func() bool { return len(f.m.Bridges()) == replicas })
}

// stays fails the test unless each session is where it was.
func (f *fleet) stays(when string, homes []string) {
	f.t.Helper()
	for i, now := range f.Homes() {
		if now == "" || now != homes[i] {
			f.t.Errorf("%s: session %d was at %s, and then at %s", when, i, homes[i], now)
		}
	}
}

// TestSessionsSurviveTheirReplicas takes the replicas of 30 sessions away in all
// the ways there are, under load.
func TestSessionsSurviveTheirReplicas(t *testing.T) {
	m := harness.Start(t, harness.Env("MOORING_DRAIN_TIMEOUT=500ms"))
	spec := m.TestServer("a", 3)
	m.Deploy(spec)
	f := newFleet(t, m, "a", 30)
	dead := m.Initialize("a")
	if answer := dead.Send(http.MethodDelete, ""); answer.Status != http.StatusNoContent {
		t.Fatalf("ending a session: status %d: %s", answer.Status, answer.Body)
	}
	isDead := func(when string) {
		t.Helper()
		if answer := dead.Post(listTools); answer.Status != http.StatusNotFound {
			t.Errorf("%s the ended session: status %d: %s", when, answer.Status, answer.Body)
		}
	}
	f.survivesAKill()
	isDead("after the bridge was killed")

	t.Logf("scaled to one: failed calls %v", f.Under(func() { f.scale(spec, 1) }))
	f.stays("with one replica", f.Homes())
	isDead("with one replica")
	f.scale(spec, 3)
	f.stays("with three replicas again", f.Homes())
	isDead("with three replicas again")

	spec.EnvironmentVariables["ANOTHER"] = "template"
	t.Logf("all replaced: failed calls %v", f.Under(func() { f.scale(spec, 3) }))
	homes := f.Homes()
	m.Kill(m.PID("xds"))
	f.stays("without the control plane", homes)
	m.Await("xds is back", 10*time.Second, func() bool { return m.PIDNow("xds") != 0 })
	m.AwaitReady("a", 3, 20*time.Second)
	f.stays("with the control plane back", homes)
	isDead("in the end")
	f.ranOnce()
}

// survivesAKill kills a bridge under load: all sessions go on, and nothing fails
// but what was in flight there, once each.
func (f *fleet) survivesAKill() {
	f.t.Helper()
	before := f.Homes()
	f.stays("in peace", before)
	failed := f.Under(func() {
		victim := f.m.Bridges()[0]
		f.m.Kill(victim)
		f.m.Await("another bridge", 20*time.Second, func() bool {
			bridges := f.m.Bridges()
			return len(bridges) == 3 && !slices.Contains(bridges, victim)
		})
		f.m.AwaitReady(f.adapter, 3, 20*time.Second)
	})
	stats, err := f.m.Metrics("envoy")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("bridge killed: failed calls %v; went on: %d; retries: %s", failed, f.recovered(3),
		lines(stats, `upstream_rq_retry{envoy_cluster_name="`+f.adapter+`"`))
	// A session has one call in flight at a time.
	if lost := failed["Bad Gateway"]; len(failed) > 1 || lost > f.Size() || len(failed) == 1 && lost == 0 {
		f.t.Errorf("failed calls: %v", failed)
	}
	if f.recovered(3) == 0 {
		f.t.Error("no session went on with a new process")
	}
	f.stays("with the bridge back", before)
}

// TestSharedSessionsSurviveTheirBridge is the same where all share a process.
func TestSharedSessionsSurviveTheirBridge(t *testing.T) {
	m := harness.Start(t)
	spec := m.TestServer("a", 3)
	spec.ProcessModel = adapters.ProcessShared
	m.Deploy(spec)
	f := newFleet(t, m, "a", 30)
	f.survivesAKill()
	f.ranOnce()
}

// TestASingleReplicaIsWaitedFor kills the only one: its session waits for it, and
// the call whose answer was on its way is told to be lost.
func TestASingleReplicaIsWaitedFor(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	session, lost := m.Initialize("a"), make(chan error, 1)
	progress := make(chan struct{})
	var once sync.Once
	held := hold(t, m.Initialize("a"))
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
			once.Do(func() { close(progress) })
		},
	})
	caller, err := client.Connect(limited(t, time.Minute),
		&mcp.StreamableClientTransport{Endpoint: m.URL("/adapters/a/mcp")}, &mcp.ClientSessionOptions{ProtocolVersion: harness.Legacy})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	go func() {
		params := &mcp.CallToolParams{Name: "hold", Arguments: map[string]any{"file": held.file}}
		params.SetProgressToken("token")
		_, err := caller.CallTool(limited(t, 30*time.Second), params)
		lost <- err
	}()
	select {
	case <-progress:
	case <-time.After(20 * time.Second):
		t.Fatal("the call makes no progress")
	}
	for range 2 { // the second time it starts a moment later
		m.Await("the bridge is there", 20*time.Second, func() bool { return len(m.Bridges()) == 1 })
		m.Kill(m.Bridges()[0])
		answer := listedAfterKill(session)
		if answer.Status != http.StatusOK {
			t.Errorf("the session right after the kill: status %d: %s", answer.Status, answer.Body)
		}
	}
	if err := <-lost; err == nil || !strings.Contains(err.Error(), "may or may not have taken effect") {
		t.Errorf("the call in flight: %v", err)
	}
	if _, err := harness.Call(limited(t, 20*time.Second), caller, "who", nil); err != nil {
		t.Errorf("the session of the call that is lost: %v", err)
	}
}

// listedAfterKill lists tools in a session whose bridge was just killed. What is
// written to a connection whose end Envoy had not seen yet may have reached the
// bridge, so it is for the client to send it again; each of Envoy's threads has
// connections of its own.
func listedAfterKill(session harness.Raw) harness.Answer {
	answer := session.Post(listTools)
	for range runtime.NumCPU() {
		if answer.Status != http.StatusBadGateway {
			break
		}
		answer = session.Post(listTools)
	}
	return answer
}

// TestSessionsThatFailStay404 is the choice of servers that keep something.
func TestSessionsThatFailStay404(t *testing.T) {
	m := harness.Start(t)
	spec := m.TestServer("a", 2)
	spec.SessionRecovery = adapters.RecoveryFail
	m.Deploy(spec)
	session := m.Initialize("a")
	instance := strings.Fields(session.MustCall("who"))[0]
	for _, pid := range m.Bridges() {
		if m.Instance(pid) == instance {
			m.Kill(pid)
		}
	}
	m.Await("the lost session is 404", 10*time.Second, func() bool {
		answer, err := session.Try(http.MethodPost, listTools)
		return err == nil && answer.Status == http.StatusNotFound
	})
	m.AwaitReady("a", 2, 20*time.Second)
	if answer := session.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("with the bridge back: status %d: %s", answer.Status, answer.Body)
	}
}

// lines are the lines of text with that in them.
func lines(text, with string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, with) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
