// Package observability asks a real Prometheus, which scrapes a real gateway,
// for everything that the dashboards show and the alerts look at. Prometheus is
// not on every machine, so this is not asked of everybody who runs the other
// tests.
package observability

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/charts/dashboards"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestObservability makes traffic of all kinds and every bad state that an alert
// is for, and then looks. The order matters, since there is one gateway.
func TestObservability(t *testing.T) {
	m := harness.Start(t, harness.State(oldKeys(t)), collector(t))
	p, native := observe(t, m, "exemplar-storage"), observe(t, m, "native-histograms")
	asAUserWould(t, m)
	m.Deploy(m.TestServer("a", 1))
	m.Deploy(m.TestServer("slow", 1))
	broken := m.TestServer("broken", 1)
	broken.EnvironmentVariables["TESTSERVER_FAIL"] = "always"
	m.Create(broken)
	m.Await("Prometheus knows all bridges", 30*time.Second, func() bool { return len(p.values(`up{job="mooring-bridge"} == 1`)) == 3 })
	await := func(what string, expr string, want float64) {
		t.Helper()
		var got []float64
		defer func() {
			if t.Failed() {
				t.Logf("%s: %v, not %v", expr, got, want)
			}
		}()
		m.Await(what, 30*time.Second, func() bool { got = p.values(expr); return slices.Equal(got, []float64{want}) })
	}

	// Before all else: its counters begin anew.
	withoutExtProc(t, m)
	slow := m.Initialize("slow")
	slow.MustCall("who")
	// What a series begins with is no growth to Prometheus.
	await("the quick call of the slow server", `sum(mooring_requests_total{adapter="slow",method="tools/call"})`, 1)
	held := slowCall(t, slow)
	_, sent := traffic(t, m)
	for _, want := range sent {
		await(want.what, want.expr, want.count)
	}
	hostileNames(t, m, p)
	nativeHistograms(t, m, native)
	m.Await("the status says the same", 20*time.Second, func() bool {
		traffic := m.Status("broken").Traffic
		return traffic != nil && traffic.Errors == failing && traffic.Requests == failing
	})
	killBridges(t, m)
	deleted(t, m, p)
	held()
	dropLogs(t, m)
	fillDisk(t, m)
	await("the slow call is counted", `sum(mooring_requests_total{adapter="slow",method="tools/call",code="200"})`, 2)
	stopped := slices.Max(m.Bridges())
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(stopped, syscall.SIGCONT) }) // or it is gone

	// Traffic goes on meanwhile, since most is shown as rates of a minute.
	var empty []string
	defer func() { t.Logf("left: %s", strings.Join(empty, "\n")) }()
	m.Await("nothing on a page or in an alert is empty", 60*time.Second, func() bool {
		session, _ := traffic(t, m)
		session.Send(http.MethodDelete, "")
		m.Deploy(m.TestServer("again", 1))
		m.API(http.StatusNoContent, http.MethodDelete, "/adapters/again", "")
		empty = emptyPanels(p)
		empty = append(empty, emptyAlerts(p, atLast)...)
		return len(empty) == 0
	})
	// Nothing is served as it should be while an Envoy refuses what it is given.
	refuse(t, m)
	m.Await("no alert is empty", 30*time.Second, func() bool {
		empty = emptyAlerts(p, nil)
		return len(empty) == 0
	})
}

// atLast are the alerts whose bad state is made at last.
var atLast = []string{"MooringConfigRefused", "MooringConfigLag"}

// expression is that of a query, for all adapters.
func expression(q dashboards.Query) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$adapter", ".+").Replace(q.Expr)
}

// emptyPanels are the queries on pages that have no value, but should here.
func emptyPanels(p *prometheus) []string {
	var empty []string
	for _, d := range dashboards.All() {
		for _, panel := range d.Panels {
			if panel.Cluster {
				continue
			}
			for _, q := range panel.Queries {
				if expr := expression(q); len(p.values(expr)) == 0 {
					empty = append(empty, fmt.Sprintf("%s, %s: %s", d.Title, panel.Title, expr))
				}
			}
		}
	}
	return empty
}

// emptyAlerts are the alerts that do not see the bad state. One cannot be made
// here in a short time: that Envoy lacks a configuration for a minute, which is
// the threshold. That it sees an Envoy that lags is shown here with a lower one,
// and the threshold itself by promtool, with the alert's other tests.
func emptyAlerts(p *prometheus, but []string) []string {
	var empty []string
	alerts := p.alerts()
	if len(alerts) < 10 {
		empty = append(empty, fmt.Sprintf("only %d alerts", len(alerts)))
	}
	for _, a := range alerts {
		expr := a.Query
		if a.Name == "MooringConfigLag" {
			expr = strings.Replace(expr, "> 60", "> 0", 1)
		}
		if !slices.Contains(but, a.Name) && len(p.values(expr)) == 0 {
			empty = append(empty, a.Name+": "+expr)
		}
	}
	return empty
}

// oldKeys is a state folder with keys that should have been changed.
func oldKeys(t *testing.T) string {
	t.Helper()
	state := filepath.Join(envoytest.SocketDir(t), "state")
	for _, purpose := range []string{"session", "identity"} {
		dir := filepath.Join(state, "keys", purpose)
		made, err := keys.Generate(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(made, filepath.Join(dir, "20200101T000000Z.pem")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(state, 0o700); err != nil {
		t.Fatal(err)
	}
	return state
}

// The traffic of one round.
const (
	calls, moderns, unknowns, denied, failing, anonymous = 20, 5, 6, 4, 10, 400
	ping                                                 = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	initialize                                           = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`
)

// counted is what an expression has after the first round.
type counted struct {
	what, expr string
	count      float64
}

// traffic sends one round: both eras, errors, refusals, a crash, a recovery. It
// leaves a session with a stream.
func traffic(t *testing.T, m *harness.Mooring) (harness.Raw, []counted) {
	t.Helper()
	a := m.Initialize("a")
	for range calls {
		a.MustCall("who")
	}
	if _, err := a.Call("no_such_tool", `{}`); err == nil {
		t.Error("a tool that is not there answers")
	}
	if answer := a.With("unknown").Post(ping); answer.Status != http.StatusNotFound {
		t.Errorf("an unknown session: %d", answer.Status)
	}
	if stream, err := a.Stream(t.Context()); err != nil {
		t.Error(err)
	} else {
		t.Cleanup(func() { _ = stream.Close() })
	}
	crashed := m.Initialize("a")
	if _, err := crashed.Call("crash", `{}`); err == nil {
		t.Error("a call that ends its server answers")
	}
	crashed.MustCall("who")
	crashed.Send(http.MethodDelete, "")
	modern, err := m.TryConnectAs(t.Context(), "a", harness.Modern, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range moderns {
		if text, err := harness.Call(t.Context(), modern, "echo", map[string]string{"text": fmt.Sprint(i)}); err != nil || text != fmt.Sprint(i) {
			t.Errorf("%q, error %v", text, err)
		}
	}
	_ = modern.Close() // there is nothing to end in that era
	refusals(m)
	if err := m.OpenAndEnd("a"); err != nil {
		t.Error(err)
	}
	const ofA = `mooring_requests_total{adapter="a",method="tools/call",code="200"}`
	return a, []counted{
		{"calls, with the tool that is not there, the crash and what came after it", "sum(" + ofA + ")", calls + 1 + 2 + moderns},
		{"calls that went well", `sum(mooring_bridge_tool_calls_total{adapter="a",tool="who",outcome="ok"})`, calls + 1},
		{"calls of tools that are not there", `sum(mooring_bridge_tool_calls_total{adapter="a",outcome=~"error|tool_error"})`, 1},
		{"sessions", `sum(mooring_sessions_total{adapter="a",event="created"})`, 3},
		{"sessions that were ended", `sum(mooring_sessions_total{adapter="a",event="closed"})`, 2},
		{"sessions that were lost", `sum(mooring_bridge_sessions_total{adapter="a",event="lost"})`, 1},
		{"sessions that were recovered", `sum(mooring_bridge_sessions_total{adapter="a",event="recovered"})`, 1},
		{"streams", `sum(mooring_streams_active{adapter="a"})`, 1},
		{"unknown adapters", `sum(mooring_requests_total{adapter="",code="404"})`, unknowns},
		{"pages of other sites", `sum(mooring_denials_total{adapter="a",reason="origin"})`, denied},
		{"the same as requests", `sum(mooring_requests_total{adapter="a",code="403"})`, denied},
		{"what no replica could answer", `sum(mooring_requests_total{adapter="broken",code="503"})`, failing},
		{"nobody knows who", "sum(mooring_auth_failures_total)", anonymous},
	}
}

// refusals are the requests that are not answered by a server.
func refusals(m *harness.Mooring) {
	post := func(n int, adapter string, headers ...string) {
		for range n {
			// How it is refused, the metrics say.
			_, _ = m.Do(http.MethodPost, "/adapters/"+adapter+"/mcp", initialize,
				append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}, headers...)...)
		}
	}
	post(unknowns, "unknown")
	post(denied, "a", "Origin", "https://elsewhere.example")
	post(failing, "broken")
	post(anonymous, "a", "X-Dev-UserId", "ann", "X-Dev-UserId", "bob")
}

// slowCall begins a call that takes long until the function ends it.
func slowCall(t *testing.T, session harness.Raw) (end func()) {
	t.Helper()
	file, begun, done := filepath.Join(t.TempDir(), "release"), time.Now(), make(chan error, 1)
	go func() {
		_, err := session.Call("hold", fmt.Sprintf(`{"file":%q}`, file))
		done <- err
	}()
	return func() {
		const long = 6 * time.Second
		time.Sleep(time.Until(begun.Add(long))) // the time itself is what is shown
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// unserved is how many requests fail for want of an external processor: some
// hundredths of all, however long the machine takes for the rest.
const unserved = 200

// withoutExtProc sends requests while there is none, until enough have failed.
func withoutExtProc(t *testing.T, m *harness.Mooring) {
	t.Helper()
	a := m.Initialize("a")
	failed := 0
	ask := func() bool {
		answer, err := a.Try(http.MethodPost, ping)
		if err == nil && answer.Status == http.StatusServiceUnavailable {
			failed++
		}
		return err == nil && answer.Status == http.StatusOK
	}
	for failed < unserved {
		m.Kill(m.PID("extproc"))
		for m.PIDNow("extproc") == 0 {
			ask()
		}
		m.Await("sessions go on", 20*time.Second, ask)
	}
}

// killBridges kills the bridges of an adapter of their own, one after the other.
func killBridges(t *testing.T, m *harness.Mooring) {
	t.Helper()
	before := m.Bridges()
	m.Deploy(m.TestServer("killed", 1))
	known := func() []int { // those of the adapter
		return slices.DeleteFunc(m.Bridges(), func(pid int) bool { return slices.Contains(before, pid) })
	}
	for range 3 {
		m.Kill(known()[0])
		m.AwaitReady("killed", 1, 30*time.Second)
		m.Await("one bridge", 20*time.Second, func() bool { return len(known()) == 1 })
	}
	if restarts := m.Status("killed").Instances[0].Restarts; restarts != 3 {
		t.Errorf("%d restarts", restarts)
	}
}
