package e2e

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// helm runs it, and returns what it prints.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		program = "helm"
	}
	cmd := exec.CommandContext(t.Context(), program, append(args, "--namespace", release)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(lab.state, "admin.kubeconfig"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("helm %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// helmTest: the chart's own test of an installation passes.
func helmTest(t *testing.T) { helm(t, "test", release, "--timeout", "2m") }

// upgrade: other values take effect; keys, adapters and sessions stay, and nobody
// notices.
func upgrade(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("aboard", 1))
	session := m.Initialize("aboard")
	process := session.MustCall("who")
	before := secretData(t)
	fewest := fewestEnvoys(t)
	untroubled(t, m, func() {
		helm(t, "upgrade", release, "../../../charts/mooring", "--reuse-values", "--wait", "--timeout", "3m",
			"--set", "xds.replicas=3,extproc.logLevel=warn,envoy.autoscaling.enabled=true")
	})
	if n := fewest(); n < 2 {
		t.Errorf("for a time there were to be %d Envoys", n)
	}
	awaitPods(t, release, component("xds"), 3, 2*time.Minute)
	awaitPods(t, release, component("envoy"), 2, 2*time.Minute)
	if got := session.MustCall("who"); got != process {
		t.Errorf("the session was served by %s, and now by %s", process, got)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(secretData(t)))); diff != "" {
		t.Errorf("Secrets (-before +after):\n%s", diff)
	}
	for name, data := range secretData(t) {
		if !cmp.Equal(before[name], data) {
			t.Errorf("the upgrade changed the Secret %s", name)
		}
	}
	autoscaled(t)
	helmTest(t)
}

// secretData is what the Secrets of the release hold.
func secretData(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	all := map[string]map[string][]byte{}
	for _, namespace := range []string{release, adapters} {
		var list corev1.SecretList
		if err := lab.objects.List(t.Context(), &list, client.InNamespace(namespace),
			client.MatchingLabels{"app.kubernetes.io/instance": release}); err != nil {
			t.Fatal(err)
		}
		for _, secret := range list.Items {
			all[namespace+"/"+secret.Name] = secret.Data
		}
	}
	return all
}

// fewestEnvoys looks how many Envoys there are to be, until it is asked for the
// least that it saw.
func fewestEnvoys(t *testing.T) (ask func() int32) {
	t.Helper()
	done, fewest := make(chan struct{}), make(chan int32, 1)
	go func() {
		least := int32(math.MaxInt32)
		defer func() { fewest <- least }()
		for !over(done) {
			var deployment appsv1.Deployment
			if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-envoy"}, &deployment); err == nil {
				least = min(least, *deployment.Spec.Replicas)
			}
			select {
			case <-done:
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() int32 {
		close(done)
		return <-fewest
	}
}

// autoscaled: Kubernetes takes the autoscaler and finds what it scales. The lab
// has nobody who measures the use of processors.
func autoscaled(t *testing.T) {
	t.Helper()
	want := map[autoscalingv2.HorizontalPodAutoscalerConditionType]string{
		autoscalingv2.AbleToScale:   "True SucceededGetScale",
		autoscalingv2.ScalingActive: "False FailedGetResourceMetric",
	}
	got := map[autoscalingv2.HorizontalPodAutoscalerConditionType]string{}
	defer func() { t.Logf("the autoscaler's conditions: %v", got) }()
	harness.Await(t, "the autoscaler lacks nothing but metrics", startTimeout, func() bool {
		var scaler autoscalingv2.HorizontalPodAutoscaler
		if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-envoy"}, &scaler); err != nil {
			t.Fatal(err)
		}
		for _, c := range scaler.Status.Conditions {
			got[c.Type] = fmt.Sprintf("%s %s", c.Status, c.Reason)
		}
		return got[autoscalingv2.AbleToScale] == want[autoscalingv2.AbleToScale] && got[autoscalingv2.ScalingActive] == want[autoscalingv2.ScalingActive]
	})
}

// untroubled fails the test where a request to the API fails while the event
// happens.
func untroubled(t *testing.T, m *harness.Mooring, event func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	var asked int
	failed := map[string]int{}
	go func() {
		defer close(ended)
		for !over(done) {
			asked++
			if answer, err := m.Do(http.MethodGet, "/adapters", ""); err != nil {
				failed[err.Error()]++
			} else if answer.Status != http.StatusOK {
				failed[fmt.Sprint(answer.Status, answer.Body)]++
			}
		}
	}()
	event()
	close(done)
	<-ended
	t.Logf("%d requests to the API, failed: %v", asked, failed)
	if len(failed) > 0 {
		t.Error("requests to the API failed")
	}
}

// over reports whether the channel is closed.
func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
