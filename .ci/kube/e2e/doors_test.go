package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// manifest is a custom resource that runs the test server.
func manifest(name, more string) string {
	return fmt.Sprintf(`apiVersion: mooring.dev/v1alpha1
kind: MCPAdapter
metadata: {name: %s, namespace: %s}
spec:
  imageName: mcp-proxy
  imageVersion: 1.0.0
  environmentVariables: {MCP_COMMAND: testserver}
%s
`, name, adapters, more)
}

// field is what kubectl says of an adapter.
func field(t *testing.T, name, path string) string {
	t.Helper()
	return kubectl(t, "", "get", "mcpa", name, "--namespace", adapters, "--output", "jsonpath="+path)
}

// read is the adapter that the API answers.
func read(t *testing.T, m *harness.Mooring, name string) mooring.Adapter {
	t.Helper()
	var adapter mooring.Adapter
	decode(t, m.API(http.StatusOK, http.MethodGet, "/adapters/"+name, "").Body, &adapter)
	return adapter
}

// decode reads an answer in JSON.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// twoDoors: kubectl and the API change the same objects.
func twoDoors(t *testing.T) {
	m := gateway(t)
	t.Run("applied, changed by the API", func(t *testing.T) { applied(t, m.With(t)) })
	t.Run("posted, changed by kubectl", func(t *testing.T) { posted(t, m.With(t)) })
	t.Run("both refuse the same", func(t *testing.T) { refused(t, m.With(t)) })
}

func applied(t *testing.T, m *harness.Mooring) {
	text := manifest("applied", "  nodeSelector: {kubernetes.io/os: linux}\n  resources: {requests: {cpu: 11m}}")
	kubectl(t, text, "apply", "--filename", "-")
	t.Cleanup(func() { remove(t, m, "applied") })
	m.AwaitReady("applied", 1, startTimeout)
	m.Initialize("applied").MustCall("who")
	if by := read(t, m, "applied").CreatedBy; by != "" {
		t.Errorf("an applied adapter belongs to %q", by)
	}
	m.API(http.StatusConflict, http.MethodPost, "/adapters", harness.JSON(m, testServer("applied", 1)))

	m.API(http.StatusOK, http.MethodPatch, "/adapters/applied", `{"description":"changed by the API"}`)
	for path, want := range map[string]string{
		"{.spec.description}": "changed by the API", "{.spec.nodeSelector.kubernetes\\.io/os}": "linux",
		"{.spec.resources.requests.cpu}": "11m",
	} {
		if got := field(t, "applied", path); got != want {
			t.Errorf("after a change by the API, %s is %q, not %q", path, got, want)
		}
	}
	kubectl(t, "", "scale", "mcpa/applied", "--namespace", adapters, "--replicas", "2")
	m.AwaitReady("applied", 2, startTimeout)
	kubectl(t, text, "apply", "--filename", "-") // as it was: one replica by default
	kubectl(t, "", "wait", "mcpa/applied", "--namespace", adapters, "--for", "condition=Ready", "--timeout", "30s")

	m.API(http.StatusNoContent, http.MethodDelete, "/adapters/applied", "")
	if _, err := tryKubectl(t.Context(), "", "get", "mcpa", "applied", "--namespace", adapters); err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("kubectl still has what the API deleted: %v", err)
	}
	leavesNothing(t, "applied")
}

func posted(t *testing.T, m *harness.Mooring) {
	deploy(t, m, testServer("posted", 1))
	session := m.Initialize("posted")
	before := m.API(http.StatusOK, http.MethodGet, "/adapters/posted", "").Header.Get("Etag")
	if before == "" {
		t.Error("no ETag")
	}
	edit(t, "posted", `s/replicaCount: 1/replicaCount: 2/`)
	m.AwaitReady("posted", 2, startTimeout)
	if adapter := read(t, m, "posted"); adapter.ReplicaCount != 2 || adapter.CreatedBy == "" {
		t.Errorf("after an edit the API shows %+v", adapter)
	}
	m.MustDo(http.StatusPreconditionFailed, http.MethodPatch, "/adapters/posted", `{"description":"stale"}`,
		"Content-Type", "application/json", "If-Match", before)
	session.MustCall("who")

	kubectl(t, "", "delete", "mcpa", "posted", "--namespace", adapters, "--wait=false")
	m.Await("the API knows of the end", 20*time.Second, func() bool {
		answer, err := m.Do(http.MethodGet, "/adapters/posted", "")
		return err == nil && answer.Status == http.StatusNotFound
	})
	m.Await("the endpoint is unknown", 20*time.Second, func() bool { return m.TryInitialize("posted").Status == http.StatusNotFound })
	leavesNothing(t, "posted")
}

// edit runs kubectl edit with sed as the editor.
func edit(t *testing.T, name, change string) {
	t.Helper()
	editor := t.TempDir() + "/editor"
	if err := os.WriteFile(editor, fmt.Appendf(nil, "#!/bin/sh\nexec sed -i '%s' \"$1\"\n", change), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBE_EDITOR", editor)
	kubectl(t, "", "edit", "mcpa", name, "--namespace", adapters)
}

// leavesNothing fails the test unless all that was made for the adapter goes.
func leavesNothing(t *testing.T, name string) {
	t.Helper()
	var left string
	harness.Await(t, "nothing is left of "+name, 40*time.Second, func() bool {
		left = kubectl(t, "", "get", "statefulsets,services,poddisruptionbudgets,networkpolicies,secrets,pods",
			"--namespace", adapters, "--selector", "mooring.dev/adapter="+name, "--output", "name")
		return left == ""
	})
}

func refused(t *testing.T, m *harness.Mooring) {
	for name, c := range map[string]struct{ manifest, body, why string }{
		"no command": {
			strings.Replace(manifest("refused", ""), "{MCP_COMMAND: testserver}", "{MCP_ARGS: x}", 1),
			`{"name":"refused","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_ARGS":"x"}}`, "MCP_COMMAND",
		},
		"bad inspection": {
			manifest("refused", "  inspection: sometimes"),
			`{"name":"refused","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_COMMAND":"testserver"},"inspection":"sometimes"}`, "inspection",
		},
		"unknown member": {
			manifest("refused", "  nonsense: 1"),
			`{"name":"refused","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_COMMAND":"testserver"},"nonsense":1}`, "nonsense",
		},
	} {
		if _, err := tryKubectl(t.Context(), c.manifest, "apply", "--filename", "-"); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: kubectl says %v", name, err)
		}
		if answer := m.API(http.StatusBadRequest, http.MethodPost, "/adapters", c.body); !strings.Contains(answer.Body, c.why) {
			t.Errorf("%s: the API says %s", name, answer.Body)
		}
	}
}
