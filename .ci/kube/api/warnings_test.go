package api

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// warn writes an event about the object, as a controller of Kubernetes would.
func warn(t *testing.T, o client.Object, kind, reason, message string) {
	t.Helper()
	at := metav1.Now()
	create(t, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: o.GetName() + ".", Namespace: o.GetNamespace()},
		InvolvedObject: corev1.ObjectReference{
			Kind: kind, Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(),
		},
		Type: corev1.EventTypeWarning, Reason: reason, Message: message, FirstTimestamp: at, LastTimestamp: at, Count: 1,
	})
}

// readiness is the condition Ready of the adapter's object, or nothing.
func readiness(t *testing.T, namespace, name string) metav1.Condition {
	t.Helper()
	if c := meta.FindStatusCondition(statusOf(t, namespace, name).Conditions, adapters.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// TestWarningsAreSaid of pods that cannot be made, and of those that cannot be
// started, as long as it is so; and at rest no request reaches the API.
func TestWarningsAreSaid(t *testing.T) {
	ns := newNamespace(t)
	var count writes
	connect(t, ns, counted(&count))
	create(t, stdio(ns, "one", 1))
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	says := func(reason, words string) func() bool {
		return func() bool {
			c := readiness(t, ns, "one")
			return c.Status == metav1.ConditionFalse && c.Reason == reason && strings.Contains(c.Message, words)
		}
	}
	eventually(t, "no replica", says(adapters.ReasonPending, ""))

	warn(t, set, "StatefulSet", "FailedCreate", `Create Pod mcp-one-0 in StatefulSet mcp-one failed error: pods "mcp-one-0" is forbidden: exceeded quota: few`)
	eventually(t, "the quota", says("FailedCreate", "exceeded quota: few."))
	if status := statusOf(t, ns, "one"); status.Replicas != 0 || status.UpdatedReplicas != 0 || !strings.Contains(status.ReplicaStatus, "exceeded quota") {
		t.Errorf("status %+v", status)
	}
	rest := count.all.Load()
	time.Sleep(time.Second)
	if now := count.all.Load(); now != rest {
		t.Errorf("%d requests at rest", now-rest)
	}

	p := pod(t, set, "0")
	eventually(t, "it starts", says("Starting", "being started"))
	warn(t, p, "Pod", "FailedMount", `MountVolume.SetUp failed for volume "sealing": secret "gone" not found`)
	eventually(t, "the volume", says("FailedMount", `secret "gone" not found.`))
	serve(t, p, "10.81.0.20")
	eventually(t, "it serves", func() bool { return readiness(t, ns, "one").Status == metav1.ConditionTrue })
}

// TestWarningsGo with the wish for the replica, and with the event.
func TestWarningsGo(t *testing.T) {
	ns := newNamespace(t)
	c := connect(t, ns)
	create(t, stdio(ns, "one", 2))
	set := &appsv1.StatefulSet{}
	eventually(t, "stateful set", func() bool { return there(t, key(ns, "mcp-one"), set) })
	serve(t, pod(t, set, "0"), "10.81.0.21")
	warn(t, set, "StatefulSet", "FailedCreate", `Create Pod mcp-one-1 in StatefulSet mcp-one failed error: no`)
	for _, end := range []func(){
		func() {
			if err := server.admin.DeleteAllOf(t.Context(), &corev1.Event{}, client.InNamespace(ns)); err != nil {
				t.Fatal(err)
			}
		},
		func() { update(t, ns, "one", func(a *v1alpha1.MCPAdapter) { *a.Spec.ReplicaCount = 1 }) },
	} {
		eventually(t, "one fails", func() bool { return states(c, "one") == "0 Ready 10.81.0.21:8000; 1 Failed ; " })
		end()
		eventually(t, "none fails", func() bool { return states(c, "one") == "0 Ready 10.81.0.21:8000; " })
		warn(t, set, "StatefulSet", "FailedCreate", `Create Pod mcp-one-1 in StatefulSet mcp-one failed error: no`)
	}
}
