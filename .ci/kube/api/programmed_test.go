package api

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// handover is how long another control plane may take to lead once the one that
// did has ended in peace: it looks every two to five seconds. A lease that nobody gave
// back lasts for 15.
const handover = 10 * time.Second

// leads reports whether the control plane of that number does.
func (w *world) leads(number int) bool {
	w.t.Helper()
	var lease coordinationv1.Lease
	return there(w.t, key(w.namespace, "mooring-xds"), &lease) && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == w.addresses[number]
}

// programmed is what the adapter's object says of Envoy.
func (w *world) programmed(name string) (metav1.Condition, int64) {
	w.t.Helper()
	object := &v1alpha1.MCPAdapter{}
	if !there(w.t, key(w.namespace, name), object) {
		return metav1.Condition{}, 0
	}
	c := meta.FindStatusCondition(object.Status.Conditions, adapters.ConditionProgrammed)
	if c == nil {
		return metav1.Condition{}, object.Generation
	}
	return *c, object.Generation
}

// awaitProgrammed waits until the object says that Envoy has accepted it as it is.
func (w *world) awaitProgrammed(name string) {
	w.t.Helper()
	eventually(w.t, "the object of "+name+" says that Envoy has it", func() bool {
		c, generation := w.programmed(name)
		return c.Status == metav1.ConditionTrue && c.Reason == "Accepted" && c.ObservedGeneration == generation
	})
}

// TestEnvoyOfAnother: the control plane that leads writes what Envoy has accepted,
// though Envoy is connected to the other one alone; and leading passes on at once
// when it ends in peace.
func TestEnvoyOfAnother(t *testing.T) {
	w := newWorld(t, 1)
	planes := [2]*exec.Cmd{w.startPlane(0), nil}
	eventually(t, "the first leads", func() bool { return w.leads(0) })
	planes[1] = w.startPlane(1)
	w.awaitConnected(1)
	w.deploy("first", 1)
	w.awaitProgrammed("first")
	if !w.leads(0) {
		t.Fatal("the first leads no more")
	}
	w.change("first")
	w.awaitProgrammed("first")

	if err := planes[0].Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "the second leads", func() bool { return w.leads(1) })
	if took := time.Since(began); took > handover {
		t.Errorf("the second leads after %v", took)
	} else {
		t.Logf("the second leads after %v", took)
	}
	if err := planes[0].Wait(); err != nil {
		t.Errorf("the end of the first: %v", err)
	}
	w.change("first")
	w.awaitProgrammed("first")

	// Without any Envoy, that too is said.
	w.envoy.Kill()
	update(t, w.namespace, "first", func(a *v1alpha1.MCPAdapter) { a.Spec.RequiredRoles = []v1alpha1.PrintableText{"nobody"} })
	eventually(t, "the object says that no Envoy has answered", func() bool {
		c, generation := w.programmed("first")
		return c.Status == metav1.ConditionUnknown && c.Reason != "" && c.ObservedGeneration == generation
	})
}
