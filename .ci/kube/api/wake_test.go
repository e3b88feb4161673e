package api

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestWake: an adapter that nobody calls has no pods. Who may not call it does not
// wake it. Of those who may, twenty at once are held by the control planes, of
// which the one that leads dies; once there is a pod, each of them reaches it once.
func TestWake(t *testing.T) {
	w := newWorld(t)
	w.write("settings.yaml", settingsText+"scaleToZero: {after: 10s}\n")
	// Where the bootstrap has it, Envoy's own statistics are read.
	if err := os.Symlink(filepath.Join(w.envoy.Dir(), "admin.sock"), w.path("admin.sock")); err != nil {
		t.Fatal(err)
	}
	planes := [2]*exec.Cmd{w.startPlane(0), w.startPlane(1)}
	eventually(t, "the gateway serves", func() bool {
		answer, err := w.gateway.Do(http.MethodGet, "/readyz", "")
		return err == nil && answer.Status == http.StatusOK
	})
	w.deploy("one", 1)
	wait(t, "it has no pods", 90*time.Second, func() bool { return replicasOf(t, w.namespace) == 0 })
	w.endPod("one")

	stranger := w.gateway.As("X-Dev-UserId", "stranger", "X-Dev-Roles", "none")
	if answer, err := stranger.Do(http.MethodPost, "/adapters/one/mcp", initialize, mcpHeaders...); err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("who may not call gets %d %s, error %v", answer.Status, answer.Body, err)
	}
	if statusOf(t, w.namespace, "one").AsleepSince == nil {
		t.Fatal("it was woken by who may not call it")
	}

	const callers = 20
	answers := make(chan string, callers)
	for i := range callers {
		go func() {
			answer, err := w.gateway.Do(http.MethodPost, "/adapters/one/mcp", initialize, append([]string{"X-Caller", fmt.Sprint(i)}, mcpHeaders...)...)
			answers <- fmt.Sprintf("%d %s %v", answer.Status, answer.Body, err)
		}()
	}
	eventually(t, "it is woken", func() bool { return statusOf(t, w.namespace, "one").AsleepSince == nil })
	kill(planes[w.leader()])
	wait(t, "it is to have a pod", time.Minute, func() bool { return replicasOf(t, w.namespace) == 1 })
	arrived := w.runCounted("one")
	for range callers {
		if got := <-answers; got != `200 {"jsonrpc":"2.0","id":1,"result":{}} <nil>` {
			t.Errorf("a caller gets %s", got)
		}
	}
	counts := arrived()
	for i := range callers {
		if n := counts[fmt.Sprint(i)]; n != 1 {
			t.Errorf("the request of caller %d arrived %d times", i, n)
		}
	}
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

var mcpHeaders = []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}

// leader is the number of the control plane that leads.
func (w *world) leader() int {
	w.t.Helper()
	var lease coordinationv1.Lease
	if err := server.admin.Get(w.t.Context(), key(w.namespace, "mooring-xds"), &lease); err != nil {
		w.t.Fatal(err)
	}
	for i, at := range w.addresses {
		if lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == at {
			return i
		}
	}
	w.t.Fatal("no control plane leads")
	return -1
}

// endPod takes the adapter's only pod away, as a kubelet and Kubernetes' controllers
// would.
func (w *world) endPod(name string) {
	w.t.Helper()
	at := key(w.namespace, "mcp-"+name+"-0")
	p, slice := &corev1.Pod{}, &discoveryv1.EndpointSlice{}
	p.Name, p.Namespace, slice.Name, slice.Namespace = at.Name, at.Namespace, at.Name, at.Namespace
	for _, o := range []client.Object{slice, p} {
		if err := server.admin.Delete(w.t.Context(), o, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
	}
	eventually(w.t, "the pod is gone", func() bool { return server.admin.Get(w.t.Context(), at, &corev1.Pod{}) != nil })
}

// runCounted runs a pod of the adapter that answers every request alike, and counts
// those of each caller.
func (w *world) runCounted(name string) (arrived func() map[string]int) {
	w.t.Helper()
	set := new(appsv1.StatefulSet)
	if !there(w.t, key(w.namespace, "mcp-"+name), set) {
		w.t.Fatal("it has no stateful set")
	}
	var mu sync.Mutex
	counts := map[string]int{}
	at := w.podAddress()
	serveHTTP(w.t, address(at, 8000), http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		mu.Lock()
		counts[r.Header.Get("X-Caller")]++
		mu.Unlock()
		to.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(to, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}))
	serveAt(w.t, pod(w.t, set, "0"), at, "10.82.1.1")
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(counts)
	}
}
