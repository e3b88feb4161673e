package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// held is a tool call that streams progress until it is released.
type held struct {
	t      *testing.T
	file   string
	stream *harness.Stream
}

func hold(t *testing.T, session harness.Raw) *held {
	t.Helper()
	h := &held{t: t, file: filepath.Join(t.TempDir(), "release")}
	var err error
	h.stream, err = session.CallStream(limited(t, time.Minute), "hold", fmt.Sprintf(`{"file":%q}`, h.file))
	if err != nil {
		t.Fatalf("holding a call: %v", err)
	}
	t.Cleanup(func() { _ = h.stream.Close() })
	h.flows()
	return h
}

// flows fails the test unless progress made from now on arrives.
func (h *held) flows() {
	h.t.Helper()
	for range 50 { // more than what was buffered
		if _, err := h.stream.Until("notifications/progress"); err != nil {
			h.t.Fatalf("the stream does not live: %v", err)
		}
	}
}

// resumes reads the broken stream to its end and goes on with a new one after
// the last event that came.
func (h *held) resumes(session harness.Raw) {
	h.t.Helper()
	_, err := h.stream.Until("never")
	if !ended(err) {
		h.t.Fatalf("the stream of a killed Envoy: %v", err)
	}
	last := h.stream.LastID
	if h.stream, err = session.Resume(limited(h.t, time.Minute), last); err != nil {
		h.t.Fatalf("resuming after event %q: %v", last, err)
	}
	h.t.Cleanup(func() { _ = h.stream.Close() })
	h.flows()
}

// release ends the call and fails the test unless its result arrives.
func (h *held) release() {
	h.t.Helper()
	if err := os.WriteFile(h.file, nil, 0o600); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.stream.Until("released"); err != nil {
		h.t.Fatalf("the held call got no result: %v", err)
	}
}

// recovers waits until a call of an open session is answered again, within the
// time that a killed part has, and that it is still answered by process.
func recovers(t *testing.T, session harness.Raw, process string) {
	t.Helper()
	harness.Await(t, "calls are answered again", 5*time.Second, func() bool {
		answer, err := session.Call("who", `{}`)
		if err == nil && answer != process {
			t.Fatalf("%q answers a session of %q", answer, process)
		}
		return err == nil
	})
}

// saysBack waits for the launcher's line about a killed part, and checks that it
// was back in time.
func saysBack(t *testing.T, m *harness.Mooring, part string, killed time.Time) {
	t.Helper()
	m.Await(part+" is back", 5*time.Second, func() bool { return strings.Contains(m.Console(), part+" is back") })
	if took := time.Since(killed); took > 2*time.Second {
		t.Errorf("%s was back only after %v", part, took)
	}
	if want := part + " ended (signal: killed); starting it again"; !strings.Contains(m.Console(), want) {
		t.Errorf("the console does not say %q", want)
	}
}

// TestKillExtProc: MCP traffic fails closed, in the shape of JSON-RPC; streams
// go on; sessions go on after the restart, since they are in their ids.
func TestKillExtProc(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	session := m.Initialize("a")
	process := session.MustCall("who")
	held, stream := hold(t, session), listen(t, session)

	killed := time.Now()
	m.Kill(m.PID("extproc"))
	for m.PIDNow("extproc") == 0 {
		answer, err := session.Try(http.MethodPost, listTools)
		if err != nil || answer.Status == http.StatusOK {
			continue
		}
		if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, `"jsonrpc"`) {
			t.Errorf("without extproc: status %d: %s", answer.Status, answer.Body)
		}
	}
	saysBack(t, m, "extproc", killed)
	held.flows()
	recovers(t, session, process)
	stream.grows(session, "after-extproc")
	held.release()
}

// TestKillControlPlane: traffic goes on without it; the API answers 503; its
// restart adopts the replicas and their sessions.
func TestKillControlPlane(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	session := m.Initialize("a")
	process := session.MustCall("who")
	held, stream := hold(t, session), listen(t, session)
	bridges := m.Bridges()

	killed := time.Now()
	m.Kill(m.PID("xds"))
	if answer := session.MustCall("who"); answer != process {
		t.Errorf("%q answers a session of %q", answer, process)
	}
	saysBack(t, m, "xds", killed)
	m.AwaitReady("a", 2, 20*time.Second)
	if got := m.Bridges(); !slices.Equal(got, bridges) {
		t.Errorf("bridges were %v and are %v", bridges, got)
	}
	held.flows()
	stream.grows(session, "after-xds")
	held.release()
	recovers(t, session, process)

	m.Deploy(m.TestServer("b", 1))
	call(t, m, "b", "who", nil)
}

// TestAPIWithoutControlPlane: while it is away, the API is 503 and says so in
// problem+json.
func TestAPIWithoutControlPlane(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	session := m.Initialize("a")
	// Killed again and again, it stays away for longer each time.
	for range 4 {
		m.Await("xds runs", 10*time.Second, func() bool { return m.PIDNow("xds") != 0 })
		m.Kill(m.PID("xds"))
	}
	answer, err := m.Do(http.MethodGet, "/adapters", "")
	if err != nil || answer.Status != http.StatusServiceUnavailable ||
		!strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("status %d, %s: %s, error %v", answer.Status, answer.Header.Get("Content-Type"), answer.Body, err)
	}
	session.MustCall("who")
	m.AwaitReady("a", 1, 20*time.Second)
}

// TestKillEnvoy: connections break, but sessions, replicas and adapters do not.
func TestKillEnvoy(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	session := m.Initialize("a")
	process := session.MustCall("who")
	held := hold(t, session)
	killed := time.Now()
	m.Kill(m.PID("envoy"))
	saysBack(t, m, "envoy", killed)
	recovers(t, session, process)
	held.resumes(session)
	held.release()
}

// TestKillBridge: its sessions go on with new processes; those of the other
// replica do not notice; its servers end with it; a new one takes its place.
func TestKillBridge(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	sessions := map[string]harness.Raw{}
	processes := map[string]string{}
	m.Await("sessions on both replicas", 20*time.Second, func() bool {
		session := m.Initialize("a")
		process := session.MustCall("who")
		instance := strings.Fields(process)[0]
		sessions[instance], processes[instance] = session, process
		return len(sessions) == 2
	})
	victim := m.Bridges()[0]
	lost := m.Instance(victim)
	children := harness.Descendants(victim)
	m.Kill(victim)

	for instance, session := range sessions {
		if instance != lost {
			recovers(t, session, processes[instance])
			continue
		}
		if answer := listedAfterKill(session); answer.Status != http.StatusOK {
			t.Errorf("a session of the killed bridge: status %d: %s", answer.Status, answer.Body)
		}
	}
	m.Await("its servers end", 10*time.Second, func() bool {
		return !slices.ContainsFunc(children, harness.Alive)
	})
	m.Await("another bridge", 20*time.Second, func() bool {
		bridges := m.Bridges()
		return len(bridges) == 2 && !slices.Contains(bridges, victim)
	})
	m.AwaitReady("a", 2, 20*time.Second)
}

// TestCrashingServer: the session whose server ends gets an error, not silence;
// others do not notice.
func TestCrashingServer(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	other := m.Initialize("a")
	process := other.MustCall("who")
	session := m.Initialize("a")
	if answer, err := session.Call("crash", `{}`); err == nil {
		t.Errorf("a server that ended answered %q", answer)
	}
	if again := other.MustCall("who"); again != process {
		t.Errorf("%q answers a session of %q", again, process)
	}
	logs := m.MustDo(http.StatusOK, http.MethodGet, "/adapters/a/logs?instance=0", "")
	if !strings.Contains(logs.Body, "testserver: told to crash") {
		t.Errorf("the logs do not show the server's last words: %s", logs.Body)
	}
}

// TestAnsweredAdapterSurvivesEverything kills all processes at once, right after
// a 201.
func TestAnsweredAdapterSurvivesEverything(t *testing.T) {
	m := harness.Start(t)
	for i := range 5 {
		m.Create(m.TestServer(fmt.Sprintf("a%d", i), 1))
	}
	pids := []int{m.LauncherPID(), m.PID("xds"), m.PID("extproc"), m.PID("envoy")}
	pids = harness.Descendants(append(pids, m.Bridges()...)...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	m.AwaitEnd()
	next := harness.Start(t, harness.State(m.State))
	var list []struct {
		Name string `json:"name"`
	}
	answer := next.MustDo(http.StatusOK, http.MethodGet, "/adapters", "")
	if err := json.Unmarshal([]byte(answer.Body), &list); err != nil {
		t.Fatalf("reading the list: %v: %s", err, answer.Body)
	}
	if len(list) != 5 {
		t.Errorf("adapters: %+v", list)
	}
	for i := range 5 {
		next.AwaitReady(fmt.Sprintf("a%d", i), 1, 30*time.Second)
	}
	call(t, next, "a4", "who", nil)
	for _, pid := range pids {
		if harness.Alive(pid) {
			t.Errorf("process %d of the killed start lives", pid)
		}
	}
}

// listening is a session's stream for what the server sends by itself.
type listening struct {
	t      *testing.T
	stream *harness.Stream
}

func listen(t *testing.T, session harness.Raw) *listening {
	t.Helper()
	stream, err := session.Stream(limited(t, time.Minute))
	if err != nil {
		t.Fatalf("opening the session's stream: %v", err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return &listening{t: t, stream: stream}
}

// grows makes the server change its tools, and fails the test unless the stream
// tells of it.
func (l *listening) grows(session harness.Raw, tool string) {
	l.t.Helper()
	if _, err := session.Call("grow", fmt.Sprintf(`{"text":%q}`, tool)); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.stream.Until("notifications/tools/list_changed"); err != nil {
		l.t.Fatalf("the session's stream does not live: %v", err)
	}
}
