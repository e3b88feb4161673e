package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// evictions, as of a node that is drained: of Envoys, of control planes and of an
// adapter's pods one may go at a time. No two of a part of ours are on one node.
func evictions(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("anchored", 3))
	for _, c := range []struct {
		namespace, budget string
		pods              client.MatchingLabels
		n                 int
	}{
		{release, "mooring-envoy", component("envoy"), 2},
		{release, "mooring-xds", component("xds"), 2},
		{adapters, "mcp-anchored", adapterPods("anchored"), 3},
	} {
		t.Run(c.budget, func(t *testing.T) {
			pods := awaitPods(t, c.namespace, c.pods, c.n, 2*time.Minute)
			if nodes := nodesOf(pods); c.namespace == release && len(nodes) != 2 {
				t.Errorf("%d pods are on the nodes %v", len(pods), nodes)
			}
			harness.Await(t, "one may go", 20*time.Second, func() bool { return allowed(t, c.namespace, c.budget) == 1 })
			if err := evict(t, pods[0]); err != nil {
				t.Errorf("the first: %v", err)
			}
			if err := evict(t, pods[1]); !apierrors.IsTooManyRequests(err) {
				t.Errorf("another at the same time: %v", err)
			}
			awaitPods(t, c.namespace, c.pods, c.n, 2*time.Minute)
		})
	}
	m.AwaitReady("anchored", 3, startTimeout)
}

// nodesOf are the nodes that the pods are on.
func nodesOf(pods []corev1.Pod) map[string]int {
	nodes := map[string]int{}
	for _, pod := range pods {
		nodes[pod.Spec.NodeName]++
	}
	return nodes
}

// allowed is how many pods the budget lets go now.
func allowed(t *testing.T, namespace, name string) int32 {
	t.Helper()
	var budget policyv1.PodDisruptionBudget
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &budget); err != nil {
		t.Fatal(err)
	}
	return budget.Status.DisruptionsAllowed
}

// evict asks for the pod to go, as kubectl drain does.
func evict(t *testing.T, pod corev1.Pod) error {
	t.Helper()
	err := lab.pods.PolicyV1().Evictions(pod.Namespace).Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
	})
	if err != nil {
		return fmt.Errorf("evicting %s: %w", pod.Name, err)
	}
	return nil
}
