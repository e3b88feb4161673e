package api

import (
	"bytes"
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

func containsText(text []byte, part string) bool { return bytes.Contains(text, []byte(part)) }

// TestInstances: every replica of the control plane sees the same pods, and only
// the one that leads writes.
func TestInstances(t *testing.T) {
	ns := newNamespace(t)
	leader := connect(t, ns)
	create(t, stdio(ns, "one", 2))
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	var count writes
	other := connect(t, ns, counted(&count), func(cfg *kube.Config) { cfg.Identity = "other" })

	first, second := pod(t, set, "0"), pod(t, set, "1")
	serve(t, first, "10.81.0.1")
	for _, c := range []*kube.Cluster{leader, other} {
		eventually(t, "one ready and one starting", func() bool {
			return states(c, "one") == "0 Ready 10.81.0.1:8000; 1 Starting ; "
		})
	}
	serve(t, second, "10.81.0.2")
	eventually(t, "status", func() bool {
		status := statusOf(t, ns, "one")
		return status.ReadyReplicas == 2 && status.Replicas == 2 && status.UpdatedReplicas == 2 && status.ReplicaStatus == "Healthy"
	})

	// The kubelet, which is not here, would end it.
	if err := server.admin.Delete(t.Context(), first, client.GracePeriodSeconds(60)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "draining", func() bool {
		return states(other, "one") == "0 Draining 10.81.0.1:8000; 1 Ready 10.81.0.2:8000; "
	})
	if err := server.admin.Delete(t.Context(), first, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one left", func() bool { return states(other, "one") == "1 Ready 10.81.0.2:8000; " })
	if n := count.change.Load(); n != 0 {
		t.Errorf("the replica that does not lead wrote %d times", n)
	}
}

// states are the instances of the adapter, in short.
func states(c *kube.Cluster, name string) string {
	var text bytes.Buffer
	all, err := c.Store().List(context.Background())
	if err != nil {
		return err.Error()
	}
	for _, a := range all {
		if a.Name != name {
			continue
		}
		for _, i := range c.Deployer().Instances()[a.ID] {
			text.WriteString(string(rune('0'+i.Ordinal)) + " " + string(i.State) + " " + i.Address + "; ")
		}
	}
	return text.String()
}

// TestLostNode: a pod that ended with its node is removed, so that its replica is
// started elsewhere.
func TestLostNode(t *testing.T) {
	ns := newNamespace(t)
	c := connect(t, ns)
	create(t, stdio(ns, "one", 2))
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	p := pod(t, set, "0")
	serve(t, p, "10.81.0.3")
	p.Status.Conditions[0].Status = corev1.ConditionFalse // as the controller of nodes does
	if err := server.admin.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	eventually(t, "failed", func() bool { return states(c, "one") == "0 Failed 10.81.0.3:8000; " })
	if err := server.admin.Delete(t.Context(), p, client.GracePeriodSeconds(60)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool {
		return client.IgnoreNotFound(server.admin.Get(t.Context(), key(ns, p.Name), &corev1.Pod{})) == nil && states(c, "one") == ""
	})
}

// TestOnlyReplicaIsHelped: a second pod serves while the only one is replaced.
func TestOnlyReplicaIsHelped(t *testing.T) {
	ns := newNamespace(t)
	connect(t, ns)
	create(t, stdio(ns, "one", 1))
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	scaled := func(replicas, partition int32) func() bool {
		return func() bool {
			return there(t, key(ns, "mcp-one"), set) && *set.Spec.Replicas == replicas && *set.Spec.UpdateStrategy.RollingUpdate.Partition == partition
		}
	}
	first := pod(t, set, "0")
	serve(t, first, "10.81.0.4")
	eventually(t, "ready", func() bool { return statusOf(t, ns, "one").ReadyReplicas == 1 })
	update(t, ns, "one", func(a *v1alpha1.MCPAdapter) { a.Spec.EnvironmentVariables["GREETING"] = "hello" })
	eventually(t, "a second replica", scaled(2, 1))
	helper := pod(t, set, "1")
	serve(t, helper, "10.81.0.5")
	eventually(t, "the first may go", scaled(2, 0))
	if err := server.admin.Delete(t.Context(), first, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	if err := server.admin.Delete(t.Context(), &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: first.Name, Namespace: ns}}); err != nil {
		t.Fatal(err)
	}
	next := pod(t, set, "0")
	serve(t, next, "10.81.0.6")
	eventually(t, "one replica", scaled(1, 0))
}

// TestSupportsImages: a cluster runs them.
func TestSupportsImages(t *testing.T) {
	c := connect(t, newNamespace(t))
	if err := c.Deployer().Supports(adapters.Spec{ImageName: "server", ImageVersion: "1"}); err != nil {
		t.Error(err)
	}
}
