package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	hollowName = "hollow"
	// hollowNet is where its pods are: this machine takes all of these addresses
	// for its own, and one server answers for all pods.
	hollowNet = "10.244.128.0/17"
)

// hollow is a node without a kubelet: a pod that is scheduled there is ready at
// once, and is answered for by this process. It has room for thousands.
type hollow struct {
	mu    sync.Mutex
	pods  int
	lives map[string]life // of the first pod of each adapter
}

// life is when a pod came to the node and when it was ready.
type life struct{ bound, ready time.Time }

func newHollow(t *testing.T) *hollow {
	t.Helper()
	h := &hollow{lives: map[string]life{}}
	for _, do := range []string{"replace", "del"} {
		route := func(ctx context.Context) {
			if out, err := exec.CommandContext(ctx, "ip", "route", do, "local", hollowNet, "dev", "lo").CombinedOutput(); err != nil {
				t.Errorf("ip route %s: %v: %s", do, err, out)
			}
		}
		if do == "replace" {
			route(t.Context())
			continue
		}
		t.Cleanup(func() { route(context.WithoutCancel(t.Context())) })
	}
	h.serve(t)
	h.join(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.live(ctx, t) })
	running.Go(func() { h.run(ctx, t) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return h
}

// serve answers for all bridges: ready, and an MCP server of the legacy era.
func (h *hollow) serve(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", ":8000")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"state":"Ready","sessions":0,"inFlight":0,"restarts":0,"tools":[]}`)
	})
	mux.HandleFunc("POST /mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Mcp-Session-Id", "hollow")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"hollow","version":"1"}}}`)
	})
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it is closed below
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// join adds the node. Only what tolerates it is put there.
func (h *hollow) join(t *testing.T) {
	t.Helper()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: hollowName, Labels: map[string]string{hollowName: "true", "kubernetes.io/os": "linux"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: hollowName, Effect: corev1.TaintEffectNoSchedule}}},
	}
	if err := lab.objects.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.objects.Delete(context.WithoutCancel(t.Context()), node); err != nil {
			t.Errorf("removing the hollow node: %v", err)
		}
	})
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"), corev1.ResourcePods: resource.MustParse("5000"),
	}
	// Patched, and not updated: the cluster's controllers write these objects too.
	before := client.MergeFrom(node.DeepCopy())
	node.Status = corev1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Hollow", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}}
	if err := lab.objects.Status().Patch(t.Context(), node, before); err != nil {
		t.Fatal(err)
	}
}

// live renews the node's lease, as a kubelet does.
func (h *hollow) live(ctx context.Context, t *testing.T) {
	leases := lab.pods.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	seconds, name := int32(40), hollowName
	lease, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: hollowName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Now()}},
	}, metav1.CreateOptions{})
	ticker := time.NewTicker(4 * time.Second)
	defer ticker.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
		lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if ctx.Err() == nil {
		t.Errorf("the hollow node's lease: %v", err)
	}
}

// run makes each pod of the node ready, and ends those that are deleted.
func (h *hollow) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		events, err := lab.pods.CoreV1().Pods(adapters).Watch(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector("spec.nodeName", hollowName).String(),
		})
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("watching the hollow node's pods: %v", err)
			}
			return
		}
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			if err := h.step(ctx, pod); client.IgnoreNotFound(err) != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("pod %s: %v", pod.Name, err)
			}
		}
	}
}

// step does for the pod what a kubelet would do next.
func (h *hollow) step(ctx context.Context, pod *corev1.Pod) error {
	if pod.DeletionTimestamp != nil {
		return lab.objects.Delete(ctx, pod, client.GracePeriodSeconds(0))
	}
	if pod.Status.Phase == corev1.PodRunning {
		return nil
	}
	bound := time.Now()
	h.mu.Lock()
	h.pods++
	address := fmt.Sprintf("10.244.%d.%d", 128+h.pods/250, 1+h.pods%250)
	h.mu.Unlock()
	now := metav1.Now()
	started := true
	before := client.MergeFrom(pod.DeepCopy())
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}, StartTime: &now,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now},
			{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: now},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now},
		},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image, Ready: true, Started: &started,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}},
	}
	if err := lab.objects.Status().Patch(ctx, pod, before); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if name := pod.Labels["mooring.dev/adapter"]; h.lives[name].ready.IsZero() {
		h.lives[name] = life{bound, time.Now()}
	}
	return nil
}

// lifeOf is that of the adapter's first pod.
func (h *hollow) lifeOf(adapter string) life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lives[adapter]
}
