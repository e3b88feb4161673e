package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const (
	// drowsy is the adapter that falls asleep.
	drowsy = "drowsy"
	// callers are how many call it at once.
	callers = 20
)

// scaleToZero: an adapter that nobody calls loses its pods. Who may not call it
// does not wake it; those who may are held, and reach its one new pod once each.
// Adapters with something open keep their pods meanwhile.
func scaleToZero(t *testing.T) {
	m := gateway(t)
	stranger := stranger(t, m)
	for _, name := range []string{drowsy, "listened", "working"} {
		kubectl(t, sleepy(name), "apply", "--filename", "-")
		t.Cleanup(func() { remove(t, m, name) })
	}
	for _, name := range []string{drowsy, "listened", "working"} {
		m.AwaitReady(name, 1, startTimeout)
	}
	stillOpen := open(t, m)
	session := m.Initialize(drowsy)
	process := session.MustCall("who")
	helm(t, "upgrade", release, "../../../charts/mooring", "--reuse-values", "--wait", "--timeout", "3m", "--set", "adapters.scaleToZero.after=1h")
	slept, before := awaitAsleep(t, m), counted(t, "mooring_wake_requests_total")
	for name, c := range map[string]struct {
		who    []string
		status int
	}{
		"who is nobody":         {[]string{"Authorization", "Bearer none"}, http.StatusUnauthorized},
		"who lacks the role":    {stranger, http.StatusForbidden},
		"a page from elsewhere": {[]string{"Origin", "http://elsewhere.example"}, http.StatusForbidden},
	} {
		if answer := m.As(c.who...).TryInitialize(drowsy); answer.Status != c.status {
			t.Errorf("%s gets status %d, not %d: %s", name, answer.Status, c.status, answer.Body)
		}
	}
	if answer := session.With("forged").Post(ping); answer.Status != http.StatusNotFound {
		t.Errorf("who forged a session gets status %d: %s", answer.Status, answer.Body)
	}
	if came := counted(t, "mooring_wake_requests_total") - before; came != 0 {
		t.Errorf("%v requests of those who may not call it came to the control planes", came)
	}
	woken(t, m, session, slept)
	if now := session.MustCall("who"); now == process {
		t.Errorf("the session's process outlived its pod: %s", now)
	}
	stillOpen()
}

// sleepy is an adapter that falls asleep as soon as any may.
func sleepy(name string) string {
	return strings.Replace(manifest(name, "  requiredRoles: [captain]"), "namespace: mcp",
		`namespace: mcp, annotations: {mooring.dev/scale-to-zero-after: 10s}`, 1)
}

// stranger is the header of an API key that may call no adapter here.
func stranger(t *testing.T, m *harness.Mooring) []string {
	t.Helper()
	var made struct{ ID, Key string }
	decode(t, m.API(http.StatusCreated, http.MethodPost, "/apikeys", `{"name":"stranger","roles":["reader"]}`).Body, &made)
	return []string{"Authorization", "Bearer " + made.Key}
}

// open keeps a silent stream of one adapter open, and a call of another one. What
// it returns fails the test unless both are still served by the pods they had.
func open(t *testing.T, m *harness.Mooring) (stillOpen func()) {
	t.Helper()
	listened, working := m.Initialize("listened"), m.Initialize("working")
	process := listened.MustCall("who")
	messages, err := listened.Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	progress, err := working.CallStream(t.Context(), "hold", `{"file":"/nowhere"}`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = messages.Close()
		_ = progress.Close()
	})
	ended := make(chan error, 1)
	go func() {
		_, err := progress.Until("released")
		ended <- err
	}()
	return func() {
		t.Helper()
		if now := listened.MustCall("who"); now != process {
			t.Errorf("%s serves the session with a stream now, not %s", now, process)
		}
		if _, err := listened.Call("grow", `{"text":"hammock"}`); err != nil {
			t.Error(err)
		}
		if _, err := messages.Until("list_changed"); err != nil {
			t.Errorf("the stream: %v", err)
		}
		select {
		case err := <-ended:
			t.Errorf("the call ended: %v", err)
		default:
		}
		for _, name := range []string{"listened", "working"} {
			if since := field(t, name, "{.status.asleepSince}{.status.wokenAt}"); since != "" {
				t.Errorf("%s slept: %s", name, since)
			}
		}
	}
}

// awaitAsleep waits until the adapter says that it sleeps and has no pods, and
// returns what was to run them.
func awaitAsleep(t *testing.T, m *harness.Mooring) (set appsv1.StatefulSet) {
	t.Helper()
	quiet := time.Now()
	harness.Await(t, "it is to fall asleep", 30*time.Second, func() bool { return field(t, drowsy, "{.status.asleepSince}") != "" })
	t.Logf("it falls asleep after %v", time.Since(quiet).Round(time.Second))
	harness.Await(t, "it has no pods", time.Minute, func() bool { return len(podsOf(t, adapters, adapterPods(drowsy))) == 0 })
	t.Logf("it has no pods after %v", time.Since(quiet).Round(time.Second))
	if set = setOf(t, drowsy); *set.Spec.Replicas != 0 {
		t.Errorf("its StatefulSet is to have %d replicas", *set.Spec.Replicas)
	}
	said(t, m, drowsy, mooring.ReasonAsleep)
	if wanted := read(t, m, drowsy).ReplicaCount; wanted != 1 {
		t.Errorf("its replicaCount has become %d", wanted)
	}
	return set
}

// setOf is the adapter's StatefulSet.
func setOf(t *testing.T, name string) (set appsv1.StatefulSet) {
	t.Helper()
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: adapters, Name: "mcp-" + name}, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// woken: of many who call at once, each is held, and answered by the one pod that
// starts, which was asked once by each; though the control plane that leads, and
// holds some of them, is killed meanwhile.
func woken(t *testing.T, m *harness.Mooring, session harness.Raw, slept appsv1.StatefulSet) {
	t.Helper()
	l := newLedger(t)
	var group errgroup.Group
	began := time.Now()
	for i := range callers {
		report := fmt.Sprintf(`{"url":%q,"text":"%d","milliseconds":0}`, l.url, i)
		switch {
		case i == 0:
			group.Go(func() error {
				_, err := session.Call("report", report)
				return err
			})
		case i%2 == 0:
			group.Go(func() error { return modernCall(m, drowsy, "report", report) })
		default:
			group.Go(func() error { return m.OpenAndEnd(drowsy) })
		}
	}
	harness.Await(t, "all are held", 10*time.Second, func() bool { return counted(t, "mooring_wake_held_requests") == callers })
	plane := leader(t)
	kill(t, plane, "xds")
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("all %d are answered after %v", callers, time.Since(began).Round(100*time.Millisecond))
	for i := 0; i < callers; i += 2 {
		if n := l.ran(fmt.Sprint(i)); n != 1 {
			t.Errorf("call %d ran %d times", i, n)
		}
	}
	pod := awaitPods(t, adapters, adapterPods(drowsy), 1, startTimeout)[0]
	if began := sessionsBegun(t, pod); began != callers/2 {
		t.Errorf("%d initialize began %v sessions", callers/2, began)
	}
	if now := setOf(t, drowsy); now.Generation != slept.Generation+1 || restarts(pod) != 0 {
		t.Errorf("it was woken by %d changes of its StatefulSet, and its pod was started again %d times", now.Generation-slept.Generation, restarts(pod))
	}
	if field(t, drowsy, "{.status.asleepSince}") != "" || field(t, drowsy, "{.status.wokenAt}") == "" {
		t.Errorf("its object says %s", field(t, drowsy, "{.status}"))
	}
	awaitRestarted(t, "xds", plane)
}

// leader is the control plane that leads.
func leader(t *testing.T) (pod corev1.Pod) {
	t.Helper()
	var lease coordinationv1.Lease
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-xds"}, &lease); err != nil {
		t.Fatal(err)
	}
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: *lease.Spec.HolderIdentity}, &pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// modernCall calls a tool in the modern era. It may be called from any goroutine.
func modernCall(m *harness.Mooring, adapter, tool, arguments string) error {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":%q,"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, arguments, harness.Modern)
	answer, err := m.Do(http.MethodPost, "/adapters/"+adapter+"/mcp", body, "Content-Type", "application/json",
		"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", harness.Modern, "Mcp-Method", "tools/call", "Mcp-Name", tool)
	if err == nil && (answer.Status != http.StatusOK || strings.Contains(answer.Body, `"error"`)) {
		err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	if err != nil {
		return fmt.Errorf("calling %s: %w", tool, err)
	}
	return nil
}
