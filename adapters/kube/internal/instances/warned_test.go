package instances_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/warnings"
)

func conditioned(kind corev1.PodConditionType, status corev1.ConditionStatus, at time.Time) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: status, LastTransitionTime: metav1.NewTime(at), Reason: "Unschedulable", Message: "0/1 nodes are available",
		})
	}
}

func onClaim(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}})
	}
}

func runsSince(at time.Time) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}
	}
}

// TestWarnings: what Kubernetes warns of is said while it is so.
func TestWarnings(t *testing.T) {
	creating := waiting("ContainerCreating", "")
	mount := warnings.Warning{Object: "uid of mcp-a-0", Reason: "FailedMount", Message: `secret "s3cret" not found`, First: later, Last: later}
	other := mount
	other.Object = "another life"
	probe := warnings.Warning{Object: "uid of mcp-a-0", Reason: "Unhealthy", Message: "Readiness probe failed: HTTP 503", First: later, Last: later}
	claim := warnings.Warning{Reason: "ProvisioningFailed", Message: "no such class", First: later, Last: later}
	after, before := later.Add(time.Minute), later.Add(-time.Second)
	for name, test := range map[string]struct {
		pod             *corev1.Pod
		about           string
		warning         warnings.Warning
		reason, message string
	}{
		"a volume":             {podOf("mcp-a-0", creating), "Pod", mount, "FailedMount", `secret "***" not found.`},
		"since it has a node":  {podOf("mcp-a-0", creating, conditioned(corev1.PodScheduled, corev1.ConditionTrue, before)), "Pod", mount, "FailedMount", `secret "***" not found.`},
		"before it had a node": {podOf("mcp-a-0", creating, conditioned(corev1.PodScheduled, corev1.ConditionTrue, after)), "Pod", mount, "Starting", "The pod is being started."},
		"overcome":             {podOf("mcp-a-0", creating, conditioned(corev1.PodReadyToStartContainers, corev1.ConditionTrue, later)), "Pod", mount, "Starting", "The pod is being started."},
		"again":                {podOf("mcp-a-0", creating, conditioned(corev1.PodReadyToStartContainers, corev1.ConditionTrue, before)), "Pod", mount, "FailedMount", `secret "***" not found.`},
		"of another life":      {podOf("mcp-a-0", creating), "Pod", other, "Starting", "The pod is being started."},
		"while it runs":        {podOf("mcp-a-0"), "Pod", mount, "Starting", "The pod is ready, and is about to be announced."},
		"with a worse one":     {podOf("mcp-a-0", waiting("ImagePullBackOff", "no such image")), "Pod", mount, "ImagePullBackOff", "no such image."},
		"no probe yet":         {podOf("mcp-a-0", creating), "Pod", probe, "Starting", "The pod is being started."},
		"a probe":              {podOf("mcp-a-0", unready, runsSince(before)), "Pod", probe, "NotReady", "The server runs, and its readiness probe does not succeed. Readiness probe failed: HTTP 503."},
		"a probe of before":    {podOf("mcp-a-0", unready, runsSince(after)), "Pod", probe, "NotReady", "The server runs, and its readiness probe does not succeed."},
		"a claim": {
			podOf("mcp-a-0", onClaim("data"), conditioned(corev1.PodScheduled, corev1.ConditionFalse, later)), "PersistentVolumeClaim", claim,
			"Unschedulable", "0/1 nodes are available. Claim data: no such class.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			about := warnings.About{Kind: test.about, Name: "mcp-a-0"}
			if test.about == warnings.Claim {
				about.Name = "data"
			}
			got := instances.Of(instances.World{
				Pods: []*corev1.Pod{test.pod}, Warnings: map[warnings.About][]warnings.Warning{about: {test.warning}},
				Conceal: func(_ adapters.UID, text string) string { return strings.ReplaceAll(text, "s3cret", "***") },
			})["adapter"][0]
			if got.Reason != test.reason || got.Message != test.message {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestNotMade: a replica that Kubernetes cannot make is there, and says why.
func TestNotMade(t *testing.T) {
	refusal := func(pod, why string) warnings.Warning {
		return warnings.Warning{
			Object: "uid of the set", Reason: warnings.FailedCreate, First: born, Last: later,
			Message: "Create Pod " + pod + " in StatefulSet mcp-a failed error: " + why,
		}
	}
	with := func(w warnings.Warning, change func(*warnings.Warning)) warnings.Warning { change(&w); return w }
	notMade := func(ordinal int, message string) adapters.Instance {
		return adapters.Instance{
			Ordinal: ordinal, State: adapters.InstanceFailed, Reason: "FailedCreate", Message: message, Since: born, TemplateHash: "hash",
		}
	}
	quota := refusal("mcp-a-1", `pods "mcp-a-1" is forbidden: exceeded quota: s3cret`)
	said := notMade(1, `Kubernetes does not make the pod: pods "mcp-a-1" is forbidden: exceeded quota: ***.`)
	for name, test := range map[string]struct {
		replicas int32
		pods     []*corev1.Pod
		warnings []warnings.Warning
		want     []adapters.Instance
	}{
		"one":                 {2, nil, []warnings.Warning{quota}, []adapters.Instance{said}},
		"the newest":          {2, nil, []warnings.Warning{quota, refusal("mcp-a-1", "older")}, []adapters.Instance{said}},
		"two":                 {2, nil, []warnings.Warning{refusal("mcp-a-0", "no"), quota}, []adapters.Instance{notMade(0, "Kubernetes does not make the pod: no."), said}},
		"made since":          {2, []*corev1.Pod{podOf("mcp-a-1", ending, waiting("ContainerCreating", ""))}, []warnings.Warning{quota}, nil},
		"not wanted any more": {1, nil, []warnings.Warning{quota}, nil},
		"of another set":      {2, nil, []warnings.Warning{with(quota, func(w *warnings.Warning) { w.Object = "another" })}, nil},
		"of something else":   {2, nil, []warnings.Warning{with(quota, func(w *warnings.Warning) { w.Reason = "FailedDelete" })}, nil},
		"in small letters":    {2, nil, []warnings.Warning{with(quota, func(w *warnings.Warning) { w.Message = "c" + w.Message[1:] })}, []adapters.Instance{said}},
		"in other words":      {2, nil, []warnings.Warning{with(quota, func(w *warnings.Warning) { w.Message = "no" })}, []adapters.Instance{notMade(0, "Kubernetes does not make the pod: no.")}},
	} {
		t.Run(name, func(t *testing.T) {
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "mcp-a", UID: types.UID("uid of the set"), Labels: map[string]string{objects.LabelUID: "adapter"}}}
			set.Spec.Replicas, set.Spec.Template.Labels = &test.replicas, map[string]string{objects.LabelTemplate: "hash"}
			got := instances.Of(instances.World{
				Pods: test.pods, Sets: []*appsv1.StatefulSet{set},
				Warnings: map[warnings.About][]warnings.Warning{{Kind: warnings.StatefulSet, Name: "mcp-a"}: test.warnings},
				Conceal:  func(_ adapters.UID, text string) string { return strings.ReplaceAll(text, "s3cret", "***") },
			})["adapter"]
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			var all []adapters.InstanceStatus
			for _, i := range got {
				all = append(all, adapters.InstanceStatus{Reason: i.Reason})
			}
			if n := instances.Made(append(all, adapters.InstanceStatus{Reason: "Starting"})); n != 1 {
				t.Errorf("%d were made", n)
			}
		})
	}
}
