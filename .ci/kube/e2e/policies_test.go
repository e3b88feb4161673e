package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// metadata is where clouds give credentials to whoever asks.
const metadata = "169.254.169.254"

// networkPolicies: once the nodes enforce them, an adapter's pods are reached by
// Envoy and the control plane alone, and reach no other's, nor clouds' metadata;
// and the gateway goes on as before.
func networkPolicies(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("walled", 1))
	deploy(t, m, testServer("beyond", 1))
	session := m.Initialize("walled")
	envoy, xds := podsOf(t, release, component("envoy"))[0], podsOf(t, release, component("xds"))[0]
	walled, beyond := podsOf(t, adapters, adapterPods("walled"))[0], podsOf(t, adapters, adapterPods("beyond"))[0]
	cloud, outside := listen(t, metadata), listen(t, machine)
	ways := []struct {
		from   corev1.Pod
		to     string
		passes bool
	}{
		{envoy, walled.Status.PodIP + ":8000", true},
		{xds, walled.Status.PodIP + ":8000", true},
		{beyond, walled.Status.PodIP + ":8000", false},
		{walled, beyond.Status.PodIP + ":8000", false},
		{beyond, xds.Status.PodIP + ":18000", false},
		{beyond, xds.Status.PodIP + ":18001", false},
		{envoy, xds.Status.PodIP + ":18001", true},
		{beyond, envoy.Status.PodIP + ":9090", false},
		{beyond, envoy.Status.PodIP + ":8080", true},
		{walled, outside, true},
		{walled, cloud, false},
		{beyond, cloud, false},
	}
	for _, way := range ways {
		if !reaches(t, way.from, way.to) {
			t.Errorf("before policies are enforced, %s does not reach %s", way.from.Name, way.to)
		}
	}
	script(t, "enforce.sh")
	for _, way := range ways {
		harness.Await(t, fmt.Sprintf("%s reaches %s: %t", way.from.Name, way.to, way.passes), startTimeout, func() bool {
			return reaches(t, way.from, way.to) == way.passes
		})
	}
	session.MustCall("who")
	deploy(t, m, testServer("later", 2))
	m.Initialize("later").MustCall("who")
	later := podsOf(t, adapters, adapterPods("later"))[0]
	harness.Await(t, "a later pod is walled in too", startTimeout, func() bool {
		return !reaches(t, beyond, later.Status.PodIP+":8000") && !reaches(t, later, walled.Status.PodIP+":8000")
	})
	helmTest(t)
}

// listen is a web server at that address of this machine, which is put on the lab's
// bridge where it is not there.
func listen(t *testing.T, address string) string {
	t.Helper()
	if address != machine {
		ip := func(verb string) ([]byte, error) {
			return exec.Command("ip", "address", verb, address+"/32", "dev", "mooring-lab").CombinedOutput()
		}
		if out, err := ip("add"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := ip("delete"); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	_ = server.Listener.Close() // it is on loopback
	var err error
	if server.Listener, err = net.Listen("tcp", address+":0"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// reaches reports whether a connection from the pod's network gets there.
func reaches(t *testing.T, from corev1.Pod, to string) bool {
	t.Helper()
	program := map[string]string{"envoy": "envoy", "xds": "xds"}[from.Labels["app.kubernetes.io/component"]]
	if program == "" {
		program = "bridge"
	}
	pids := processes(t, from, program)
	if len(pids) == 0 {
		t.Fatalf("%s runs no %s", from.Name, program)
	}
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "nsenter", "--target", fmt.Sprint(pids[0]), "--net", "--",
		"bash", "-c", `exec 3<>"/dev/tcp/$0/$1"`, host, port).Run() == nil
}
