package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// swift is the adapter whose sessions Envoy serves by itself.
const swift = "swift"

// withoutInspection: with inspection of sessions only, each Envoy serves them by
// itself, those of their users alone, with keys that change, until a right ends.
func withoutInspection(t *testing.T) {
	m, i := gateway(t), newIssuer(t)
	i.believed(t)
	spec := testServer(swift, 2)
	spec.RequiredRoles, spec.Inspection = []string{"reader"}, mooring.InspectionSession
	deploy(t, m, spec)
	pods := awaitPods(t, release, component("envoy"), 2, startTimeout)
	each := throughEach(t, i.bearer("ann", "reader")...)
	m.Await("the issuer is believed", 90*time.Second, func() bool {
		for _, ann := range each {
			// Each initialize would leave a session; this belongs to none.
			answer, err := ann.Do(http.MethodPost, "/adapters/"+swift+"/mcp", ping, "Content-Type", "application/json")
			if err != nil || answer.Status == http.StatusUnauthorized {
				return false
			}
		}
		return true
	})
	session := begin(each, swift)
	id := session[0].ID
	for n := range session {
		session[n] = session[n].With(id) // one session, through any Envoy
		awaitAlone(t, pods[n], session[n])
		t.Run("beside "+pods[n].Name, func(t *testing.T) { processorStopped(t, pods[n], each[n], session[n]) })
	}
	for name, c := range map[string]struct {
		who    []string
		status int
	}{
		"somebody else":                      {i.bearer("bob", "reader"), http.StatusNotFound},
		"the same, who has the role no more": {i.bearer("ann"), http.StatusForbidden},
		"nobody":                             {[]string{"Authorization", "Bearer none"}, http.StatusUnauthorized},
	} {
		for n := range session {
			if answer := session[n].Post(ping, c.who...); answer.Status != c.status {
				t.Errorf("%s, through Envoy %d: status %d, not %d: %s", name, n, answer.Status, c.status, answer.Body)
			}
		}
	}
	session = append(session, otherKey(t, m, pods, each, session)...)
	revoked(t, "another role is required", http.StatusForbidden, session, func() {
		m.API(http.StatusOK, http.MethodPatch, "/adapters/"+swift, `{"requiredRoles":["captain"]}`)
	})
}

// otherKey puts another key into the ring while the sessions go on, and returns a
// session of that key through each Envoy.
func otherKey(t *testing.T, m *harness.Mooring, pods []corev1.Pod, each []*harness.Mooring, session []harness.Raw) (others []harness.Raw) {
	t.Helper()
	addKey(t, "mooring-session-keys", time.Now())
	m.Await("all sign with the other key", startTimeout, func() bool {
		others = others[:0]
		for n, ann := range each {
			if answer := session[n].Post(ping); answer.Status != http.StatusOK {
				t.Errorf("while keys change, a message of a session has status %d: %s", answer.Status, answer.Body)
			}
			others = append(others, ann.Initialize(swift))
			if keyOf(others[n].ID) == keyOf(session[n].ID) {
				others[n].Send(http.MethodDelete, "")
				return false
			}
		}
		return true
	})
	for n := range each {
		awaitAlone(t, pods[n], others[n])
		awaitAlone(t, pods[n], session[n])
	}
	return others
}

// awaitAlone waits until Envoy lets the session's messages pass by itself: their
// methods are unseen then.
func awaitAlone(t *testing.T, pod corev1.Pod, session harness.Raw) {
	t.Helper()
	before := unseen(t, pod)
	harness.Await(t, pod.Name+" serves the session by itself", 20*time.Second, func() bool {
		if answer := session.Post(ping); answer.Status != http.StatusOK {
			t.Fatalf("status %d: %s", answer.Status, answer.Body)
		}
		return unseen(t, pod) > before
	})
}

var unseenRequests = regexp.MustCompile(`(?m)^mooring_requests_total\{adapter="` + swift + `",code="200",method="unseen"\} (\d+)$`)

// unseen is how many of swift's messages the pod's Envoy let pass by itself.
func unseen(t *testing.T, pod corev1.Pod) int {
	t.Helper()
	res, err := http.Get("http://" + pod.Status.PodIP + ":9090/metrics/extproc")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("metrics: status %d, error %v", res.StatusCode, err)
	}
	found := unseenRequests.FindSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// processorStopped: while the external processor stands still, the session goes
// on, and none begins.
func processorStopped(t *testing.T, pod corev1.Pod, ann *harness.Mooring, session harness.Raw) {
	pids := processes(t, pod, "extproc")
	if len(pids) != 1 {
		t.Fatalf("external processors: %v", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(pids[0], syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	harness.Await(t, "it stands still", 5*time.Second, func() bool { return still(t, pids[0]) })
	// Less than what would make the pod unready.
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ann.URL("/adapters/"+swift+"/mcp"), strings.NewReader(ping))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	begun := make(chan error, 1)
	go func() {
		res, err := ann.Client().Do(req)
		if err == nil {
			err = fmt.Errorf("status %d", res.StatusCode)
			_ = res.Body.Close()
		}
		begun <- err
	}()
	for range 8 {
		session.MustCall("who")
	}
	if err := <-begun; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a message without a session was answered without the external processor: %v", err)
	}
}

// still reports whether no thread of the process runs.
func still(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of %d: %v, error %v", pid, threads, err)
	}
	return !slices.ContainsFunc(threads, func(thread string) bool {
		text, err := os.ReadFile(thread)
		return err != nil || !bytes.Contains(text, []byte(") T "))
	})
}
