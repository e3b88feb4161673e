package e2e

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// traffic: the status of an adapter has the calls made through all Envoys, whichever
// control plane is asked.
func traffic(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("counted", 1))
	envoys := podsOf(t, release, component("envoy"))
	if len(envoys) < 2 {
		t.Fatalf("%d Envoys", len(envoys))
	}
	want := 0
	for i, envoy := range envoys {
		session := through(t, envoy).Initialize("counted") // and its notification
		calls := 5 + 3*i
		for range calls {
			session.MustCall("who")
		}
		want += 2 + calls
	}
	var last *mooring.Traffic
	defer func() { t.Logf("the last traffic: %+v", last) }()
	// Envoy takes the control planes in turn.
	for range 10 {
		harness.Await(t, "the sum of all calls", 30*time.Second, func() bool {
			status, err := m.TryStatus("counted")
			last = status.Traffic
			return err == nil && last != nil && last.Requests == want && !last.Incomplete &&
				last.Errors == 0 && last.Sessions == len(envoys)
		})
	}
	if last.Refused != 0 || last.P50Seconds == nil || last.P99Seconds == nil {
		t.Errorf("the traffic is %+v", last)
	}
}

// through is Mooring to an administrator who is sent to that pod of Envoy's.
func through(t *testing.T, envoy corev1.Pod) *harness.Mooring {
	t.Helper()
	return harness.Attach(t, front, toEnvoy(envoy.Status.PodIP)).As("Authorization", "Bearer "+adminKey(t))
}
