package e2e

import (
	"net"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// front is the address in ../cluster.yaml and publicURL: Envoy's, through
// kube-proxy.
const front = "10.96.0.80"

// startTimeout is for adapters whose images are on the nodes.
const startTimeout = time.Minute

// gateway is Mooring to an administrator.
func gateway(t *testing.T) *harness.Mooring {
	t.Helper()
	return harness.Attach(t, front, transport()).As("Authorization", "Bearer "+adminKey(t))
}

// transport is one whose connections end with nodes that are gone: a node that
// dies closes none of them.
func transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3,
	}}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: time.Minute}
}

// adminKey is the key that the chart made at its installation.
func adminKey(t *testing.T) string {
	t.Helper()
	var secret corev1.Secret
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-admin-key"}, &secret); err != nil {
		t.Fatal(err)
	}
	return string(secret.Data["key"])
}

// testServer is an adapter of that name which runs the test server in the
// bridge's image.
func testServer(name string, replicas int) mooring.Spec {
	return mooring.Spec{
		Name: name, ImageName: mooring.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: replicas, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_COMMAND": "testserver"},
	}
}

// ownImage is an adapter of that name which is an image without a bridge.
func ownImage(name, image, version string) mooring.Spec {
	return mooring.Spec{Name: name, ImageName: image, ImageVersion: version, ReplicaCount: 1}.Normalize()
}

// deploy posts the adapter, waits until all its replicas are ready, and deletes
// it at the end of the test.
func deploy(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	t.Helper()
	m.Create(spec)
	t.Cleanup(func() { remove(t, m, spec.Name) })
	m.AwaitReady(spec.Name, spec.ReplicaCount, startTimeout)
}

// remove deletes the adapter and waits until nothing is left of it.
func remove(t *testing.T, m *harness.Mooring, name string) {
	answer, err := m.Do("DELETE", "/adapters/"+name, "")
	if err != nil || answer.Status != 204 && answer.Status != 404 {
		t.Errorf("deleting %s: status %d, error %v: %s", name, answer.Status, err, answer.Body)
	}
}
