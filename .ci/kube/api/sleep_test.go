package api

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// unused is a meter of adapters that nobody has called since that many seconds
// after 1970.
type unused struct{ since atomic.Int64 }

func (u *unused) IdleSince(adapters.Adapter) (since time.Time, ok bool) {
	return time.Unix(u.since.Load(), 0), true
}

// sleeping is a cluster whose adapters may sleep after 10 s, by what the meter
// says.
func sleeping(t *testing.T, namespace string, count *writes, m adapters.UseMeter) *kube.Cluster {
	t.Helper()
	cluster := prepare(t, namespace, counted(count), func(cfg *kube.Config) {
		cfg.Settings.ScaleToZero.After = metav1.Duration{Duration: 10 * time.Second}
	})
	cluster.ObserveUse(m)
	runCluster(t, cluster)
	return cluster
}

// touch changes something that means nothing.
func touch(a *v1alpha1.MCPAdapter) { a.Spec.Description = time.Now().String() }

// replicasOf is how many pods the adapter's StatefulSet is to have.
func replicasOf(t *testing.T, namespace string) int32 {
	t.Helper()
	set := &appsv1.StatefulSet{}
	if !there(t, key(namespace, "mcp-one"), set) {
		return -1
	}
	return *set.Spec.Replicas
}

// readyReason is the reason of the object's condition Ready.
func readyReason(t *testing.T, namespace string) string {
	t.Helper()
	c := meta.FindStatusCondition(statusOf(t, namespace, "one").Conditions, adapters.ConditionReady)
	if c == nil {
		return ""
	}
	return c.Reason
}

// TestSleep: an adapter that nobody calls has no pods until it is woken; replicaCount
// stays, and at rest nothing is asked.
func TestSleep(t *testing.T) {
	t.Parallel()
	ns, m := newNamespace(t), &unused{}
	var count writes
	cluster := sleeping(t, ns, &count, m)
	create(t, stdio(ns, "one", 1))
	set := &appsv1.StatefulSet{}
	eventually(t, "a set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	p := pod(t, set, "0")
	serve(t, p, "10.0.0.1")
	eventually(t, "it falls asleep", func() bool { return statusOf(t, ns, "one").AsleepSince != nil })
	eventually(t, "its pod gets no new sessions", func() bool { return strings.Contains(states(cluster, "one"), string(adapters.InstanceDraining)) })
	if got := replicasOf(t, ns); got != 1 {
		t.Errorf("while it dozes it has %d replicas", got)
	}

	// Somebody calls while it dozes.
	m.since.Store(time.Now().Add(time.Minute).Unix())
	update(t, ns, "one", touch)
	eventually(t, "it is awake", func() bool { return statusOf(t, ns, "one").AsleepSince == nil })
	eventually(t, "its pod serves", func() bool { return strings.Contains(states(cluster, "one"), string(adapters.InstanceReady)) })

	m.since.Store(0)
	update(t, ns, "one", touch)
	wait(t, "it has no pods", 70*time.Second, func() bool { return replicasOf(t, ns) == 0 && !there(t, key(ns, p.Name), p) })
	eventually(t, "its status says so", func() bool { return readyReason(t, ns) == adapters.ReasonAsleep })
	before := count.all.Load()
	time.Sleep(3 * time.Second)
	if now := count.all.Load(); now != before {
		t.Errorf("%d requests at rest in 3 s", now-before)
	}
	if err := server.admin.Delete(t.Context(), p, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := cluster.Wake(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is to have pods again", func() bool { return replicasOf(t, ns) == 1 && readyReason(t, ns) != adapters.ReasonAsleep })
	if status := statusOf(t, ns, "one"); status.WokenAt == nil || status.AsleepSince != nil {
		t.Errorf("got %+v", status)
	}
	if err := cluster.Wake(t.Context(), "nobody"); err != nil {
		t.Error(err)
	}
}
