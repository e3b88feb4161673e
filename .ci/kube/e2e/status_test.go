package e2e

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// statuses: what keeps real pods from serving is said by the API and by kubectl.
func statuses(t *testing.T) {
	m := gateway(t)
	failing := testServer("failing", 1)
	failing.EnvironmentVariables["TESTSERVER_FAIL"] = "no such harbour"
	for _, spec := range []mooring.Spec{
		ownImage("unpullable", "no-such-image", "1.0.0"),
		ownImage("crashing", "mooring-servers", "dev"), // the bridge, and not told what to run
		failing,
	} {
		m.Create(spec)
		t.Cleanup(func() { remove(t, m, spec.Name) })
	}
	kubectl(t, manifest("nowhere", "  nodeSelector: {harbour: none}"), "apply", "--filename", "-")
	t.Cleanup(func() { remove(t, m, "nowhere") })

	for name, words := range map[string][]string{
		"unpullable": {"Image", "no-such-image"},
		"crashing":   {"CrashLoop", "MCP_COMMAND"},
		"failing":    {"no such harbour"},
		"nowhere":    {"Unschedulable", "node"},
	} {
		t.Run(name, func(t *testing.T) {
			said(t, m, name, words...)
		})
	}
}

// said waits until the API and kubectl say why the adapter does not serve.
func said(t *testing.T, m *harness.Mooring, name string, words ...string) {
	t.Helper()
	text := ""
	defer func() { t.Logf("%s", text) }()
	harness.Await(t, "its status says why", 90*time.Second, func() bool {
		answer, err := m.Do(http.MethodGet, "/adapters/"+name+"/status", "")
		text = answer.Body
		return err == nil && containsAll(text, words)
	})
	harness.Await(t, "its object says why", 20*time.Second, func() bool {
		condition := field(t, name, `{.status.conditions[?(@.type=="Ready")]}`)
		return strings.Contains(condition, `"status":"False"`) && containsAll(condition, words)
	})
}

// quota: that Kubernetes makes no pod is said within seconds, until it does.
func quota(t *testing.T) {
	m := gateway(t)
	kubectl(t, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none, namespace: mcp}, spec: {hard: {pods: \"0\"}}}", "apply", "--filename", "-")
	lift := func() {
		// The test's own context has ended when it is cleaned up.
		if _, err := tryKubectl(context.WithoutCancel(t.Context()), "", "delete", "resourcequota", "none", "--namespace", adapters, "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(lift)
	began := time.Now()
	m.Create(testServer("refused", 1))
	t.Cleanup(func() { remove(t, m, "refused") })
	said(t, m, "refused", "FailedCreate", "exceeded quota: none")
	t.Logf("said after %v", time.Since(began))
	lift()
	m.AwaitReady("refused", 1, startTimeout)
	harness.Await(t, "its object is ready", 20*time.Second, func() bool {
		return strings.Contains(field(t, "refused", `{.status.conditions[?(@.type=="Ready")]}`), `"status":"True"`)
	})
	if status := m.API(http.StatusOK, http.MethodGet, "/adapters/refused/status", "").Body; strings.Contains(status, "quota") {
		t.Errorf("the quota is lifted: %s", status)
	}
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// logs: of each instance, followed, and of a container that ended.
func logs(t *testing.T) {
	m := gateway(t)
	talking := testServer("talking", 2)
	talking.EnvironmentVariables["TESTSERVER_SAY"] = "all hands"
	deploy(t, m, talking)
	for _, instance := range []string{"0", "1"} {
		harness.Await(t, "instance "+instance+" has logs", 20*time.Second, func() bool {
			answer, err := m.Do(http.MethodGet, "/adapters/talking/logs?instance="+instance, "")
			return err == nil && answer.Status == http.StatusOK && strings.Contains(answer.Body, "all hands")
		})
	}
	m.API(http.StatusNotFound, http.MethodGet, "/adapters/talking/logs?instance=2", "")

	followed(t, m, "talking")

	pod := podsOf(t, adapters, adapterPods("talking"))[0]
	earlier := "/adapters/talking/logs?previous=true&instance=" + pod.Name[strings.LastIndexByte(pod.Name, '-')+1:]
	if answer := m.API(http.StatusNotFound, http.MethodGet, earlier, ""); !strings.Contains(answer.Body, "earlier server") {
		t.Errorf("the log of a server that never was: %s", answer.Body)
	}
	kill(t, pod, "bridge")
	harness.Await(t, "the container is there again", time.Minute, func() bool {
		for _, now := range podsOf(t, adapters, adapterPods("talking")) {
			if now.Name == pod.Name {
				return restarts(now) == 1 && ready(now)
			}
		}
		return false
	})
	m.AwaitReady("talking", 2, startTimeout)
	if answer := m.API(http.StatusOK, http.MethodGet, earlier, ""); !strings.Contains(answer.Body, "all hands") {
		t.Errorf("the log of the one that was killed: %s", answer.Body)
	}
}

// followed fails the test unless a line that is written now arrives now.
func followed(t *testing.T, m *harness.Mooring, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL("/adapters/"+name+"/logs?instance=0&lines=1&follow=true"), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() {
		t.Fatalf("no line: status %d, %v", res.StatusCode, lines.Err())
	}
	// Sessions begin on either replica, and each writes the words anew.
	for range 8 {
		m.Initialize(name)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "all hands") {
			return
		}
	}
	t.Errorf("nothing came: %v", lines.Err())
}
