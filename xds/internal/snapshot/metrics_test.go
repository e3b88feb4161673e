package snapshot

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestReplicasAreCounted: by adapter and state, until the adapter is deleted.
func TestReplicasAreCounted(t *testing.T) {
	b := newBench(t)
	b.makeRound()
	if got := testutil.ToFloat64(b.metrics.adapters.WithLabelValues(stateReady)); got != 0 || b.unprogrammed() != 0 {
		t.Errorf("of no adapter %v are ready, and one waits for %v s", got, b.unprogrammed())
	}
	a := b.add("a")
	b.deployer.SetInstances(a.ID,
		adapters.Instance{ID: "x", Address: "/x", State: adapters.InstanceReady, Restarts: 2},
		adapters.Instance{ID: "y", Address: "/y", State: adapters.InstanceFailed, Restarts: 3})
	b.makeRound()
	for state, want := range map[string]float64{"ready": 1, "failed": 1, "starting": 0, "draining": 0} {
		if got := testutil.ToFloat64(b.metrics.replicas.WithLabelValues("a", state)); got != want {
			t.Errorf("%s: %v replicas, not %v", state, got, want)
		}
	}
	wanted, restarts := testutil.ToFloat64(b.metrics.wanted.WithLabelValues("a")), testutil.ToFloat64(b.metrics.restarts.WithLabelValues("a"))
	if wanted != float64(a.ReplicaCount) || restarts != 5 {
		t.Errorf("%v replicas wanted, %v restarts", wanted, restarts)
	}
	if b.unprogrammed() <= 0 {
		t.Error("no Envoy has it, and that shows nowhere")
	}
	if err := b.store.Delete(t.Context(), "a", ""); err != nil {
		t.Fatal(err)
	}
	b.makeRound()
	if n, err := testutil.GatherAndCount(b.registry, "mooring_adapter_replicas", "mooring_adapter_replicas_wanted", "mooring_adapter_restarts"); err != nil || n != 0 {
		t.Errorf("after its end %d series are left, error %v", n, err)
	}
}
