package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

func TestConcurrentCreationsOfOneName(t *testing.T) {
	const clients = 20
	m := harness.Start(t)
	body := harness.JSON(m, m.TestServer("a", 1))
	statuses := make([]int, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			answer, err := m.Do(http.MethodPost, "/adapters", body, "Content-Type", "application/json")
			if err != nil {
				t.Errorf("creating: %v", err)
			}
			statuses[i] = answer.Status
		})
	}
	group.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	if counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != clients-1 {
		t.Errorf("statuses and how often: %v", counts)
	}
	m.AwaitReady("a", 1, 30*time.Second)
	if len(m.Bridges()) != 1 {
		t.Errorf("bridges: %v", m.Bridges())
	}
}

func TestImagesNeedAnotherRuntime(t *testing.T) {
	m := harness.Start(t)
	answer := m.API(http.StatusUnprocessableEntity, http.MethodPost, "/adapters",
		`{"name":"a","imageName":"example/server","imageVersion":"1"}`)
	if !strings.Contains(answer.Body, "Kubernetes") {
		t.Errorf("it does not say which runtime runs images: %s", answer.Body)
	}
	m.MustDo(http.StatusNotFound, http.MethodGet, "/adapters/a", "")
}

// TestHostAndOrigin: what a browser can be tricked into sending is refused, on
// every path of the listener.
func TestHostAndOrigin(t *testing.T) {
	m := harness.Start(t, harness.Args("--public-url", "https://mcp.example.com"))
	m.Deploy(m.TestServer("a", 1))
	port := m.Listen[strings.LastIndex(m.Listen, ":"):]
	for _, path := range []string{"/adapters", "/adapters/a/mcp", "/adapters/none/mcp", "/readyz", "/openapi.json", "/"} {
		for _, host := range []string{"evil.example.com", "evil.example.com" + port, "127.0.0.1.nip.io" + port, "localhost"} {
			if answer, err := m.Do(http.MethodGet, path, "", "Host", host); err != nil || answer.Status != http.StatusMisdirectedRequest {
				t.Errorf("%s with host %s: status %d, error %v", path, host, answer.Status, err)
			}
		}
	}
	for _, host := range []string{m.Listen, "localhost" + port, "mcp.example.com"} {
		if answer, err := m.Do(http.MethodGet, "/adapters", "", "Host", host); err != nil || answer.Status != http.StatusOK {
			t.Errorf("host %s: status %d, error %v", host, answer.Status, err)
		}
	}
	body := harness.JSON(m, m.TestServer("b", 1))
	if answer, err := m.Do(http.MethodPost, "/adapters", body, "Content-Type", "application/json", "Origin", "http://evil.example.com"); err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("the API with another origin: status %d, error %v", answer.Status, err)
	}
	if answer, err := m.Do(http.MethodPost, "/adapters", body, "Content-Type", "text/plain"); err != nil || answer.Status != http.StatusUnsupportedMediaType {
		t.Errorf("the API with a form's content type: status %d, error %v", answer.Status, err)
	}
	session := m.Initialize("a")
	if answer := session.Post(listTools, "Origin", "http://evil.example.com"); answer.Status != http.StatusForbidden {
		t.Errorf("MCP with another origin: status %d: %s", answer.Status, answer.Body)
	}
	for _, origin := range []string{"http://localhost" + port, "http://127.0.0.1" + port, "https://mcp.example.com"} {
		if answer := session.Post(listTools, "Origin", origin); answer.Status != http.StatusOK {
			t.Errorf("MCP with origin %s: status %d: %s", origin, answer.Status, answer.Body)
		}
	}
}

func TestUnknownAdapter(t *testing.T) {
	m := harness.Start(t)
	answer := m.TryInitialize("none")
	if answer.Status != http.StatusNotFound {
		t.Errorf("status %d: %s", answer.Status, answer.Body)
	}
}

// TestUpdateRollsReplicas changes what runs while a call is in flight: the call
// is answered, its session goes on, new sessions are at new replicas, and at no
// time is a new session refused.
func TestUpdateRollsReplicas(t *testing.T) {
	m := harness.Start(t)
	spec := m.TestServer("a", 2)
	m.Deploy(spec)
	session := m.Initialize("a")
	process := session.MustCall("who")
	held := hold(t, session)
	old := m.Bridges()

	refused := make(chan error, 1)
	stop := make(chan struct{})
	go func() { refused <- keepsOpening(m, stop) }()
	spec.EnvironmentVariables["TESTSERVER_SETTING"] = "changed"
	m.API(http.StatusOK, http.MethodPut, "/adapters/a", harness.JSON(m, spec))
	m.Await("new replicas serve", 30*time.Second, func() bool {
		status, err := m.TryStatus("a")
		return err == nil && status.UpdatedReplicas == 2 && status.ReadyReplicas >= 2
	})
	held.flows()
	held.release()
	if again := session.MustCall("who"); again != process {
		t.Errorf("%q answers a session of %q", again, process)
	}
	close(stop)
	if err := <-refused; err != nil {
		t.Errorf("while replicas were replaced: %v", err)
	}
	m.Await("a new session is at a new replica", 10*time.Second, func() bool {
		instance := strings.Fields(m.Initialize("a").MustCall("who"))[0]
		return !slices.ContainsFunc(old, func(pid int) bool { return m.Instance(pid) == instance })
	})
	if answer := session.Send(http.MethodDelete, ""); answer.Status >= 300 {
		t.Errorf("ending the old session: status %d: %s", answer.Status, answer.Body)
	}
}

// keepsOpening opens and ends sessions until stop is closed, and returns what
// went wrong with one.
func keepsOpening(m *harness.Mooring, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := m.OpenAndEnd("a"); err != nil {
			return err
		}
	}
}

// TestDeleteEndsStreamsAndProcesses: open streams end, processes end, sessions
// of the old life do not work with a new adapter of the same name.
func TestDeleteEndsStreamsAndProcesses(t *testing.T) {
	m := harness.Start(t)
	spec := m.TestServer("a", 2)
	m.Deploy(spec)
	session := m.Initialize("a")
	session.MustCall("who")
	held, stream := hold(t, session), listen(t, session)
	processes := harness.Descendants(m.Bridges()...)

	m.MustDo(http.StatusNoContent, http.MethodDelete, "/adapters/a", "")
	for name, s := range map[string]*harness.Stream{"call": held.stream, "session": stream.stream} {
		if _, err := s.Until("never"); !ended(err) {
			t.Errorf("the stream of the %s: %v", name, err)
		}
	}
	m.Await("all processes end", 15*time.Second, func() bool { return !slices.ContainsFunc(processes, harness.Alive) })
	if answer := session.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("without the adapter: status %d: %s", answer.Status, answer.Body)
	}
	m.Deploy(spec)
	if answer := session.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("with a new adapter of the name: status %d: %s", answer.Status, answer.Body)
	}
	call(t, m, "a", "who", nil)
}

// ended reports whether a stream ended, in order or cut, rather than timed out.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// TestRoutableSoonAfterCreation compares the time from POST to the first
// answered initialize with what the server itself needs to start.
func TestRoutableSoonAfterCreation(t *testing.T) {
	const bound = 300 * time.Millisecond
	m := harness.Start(t)
	m.Deploy(m.TestServer("warm-up", 1))
	var best time.Duration
	for i := range 5 {
		name := fmt.Sprintf("a%d", i)
		begin := time.Now()
		m.Create(m.TestServer(name, 1))
		m.Await(name+" is routable", 20*time.Second, func() bool { return m.TryInitialize(name).Status == http.StatusOK })
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
	}
	own := serverStart(t)
	t.Logf("routable after %v, of which the server's own two starts (probe and session) take %v", best, 2*own)
	if best > bound+2*own {
		t.Errorf("routable only after %v: more than %v above the server's own start", best, bound)
	}
}

// TestRoutableOnceWaitedFor: a creation that was waited for is answered when the
// adapter can be called, and not some milliseconds before.
func TestRoutableOnceWaitedFor(t *testing.T) {
	m := harness.Start(t)
	for i := range 5 {
		name := fmt.Sprintf("a%d", i)
		m.API(http.StatusCreated, http.MethodPost, "/adapters?wait=30s", harness.JSON(m, m.TestServer(name, 1)))
		if got := m.TryInitialize(name); got.Status != http.StatusOK {
			t.Errorf("%s: status %d right after its creation: %s", name, got.Status, got.Body)
		}
	}
}

func TestStatusSaysWhyAServerDoesNotStart(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("good", 1))
	spec := m.TestServer("bad", 1)
	spec.EnvironmentVariables["TESTSERVER_FAIL"] = "no licence"
	m.Create(spec)
	m.Await("the status says why", 20*time.Second, func() bool {
		status := m.Status("bad")
		text, err := json.Marshal(status)
		return err == nil && status.ReadyReplicas == 0 && strings.Contains(string(text), "told to fail: no licence") &&
			strings.Contains(string(text), "7")
	})
	answer := m.TryInitialize("bad")
	if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, `"jsonrpc"`) {
		t.Errorf("its endpoint: status %d: %s", answer.Status, answer.Body)
	}
	call(t, m, "good", "who", nil)
}
