package instances_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

var (
	born  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later = born.Add(time.Minute)
)

// podOf is a pod that serves, with changes.
func podOf(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	started := true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid of " + name), CreationTimestamp: metav1.NewTime(born),
			Labels:          map[string]string{objects.LabelUID: "adapter", objects.LabelTemplate: "hash"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "mcp-a"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1",
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(later)}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: objects.Container, Ready: true, Started: &started, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}},
		},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func unready(pod *corev1.Pod) {
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.ContainerStatuses[0].Ready = false
}

func waiting(reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		unready(pod)
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
}

func died(pod *corev1.Pod) {
	pod.Status.ContainerStatuses[0].RestartCount = 3
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "no token s3cret\n"}
}

func ending(pod *corev1.Pod) {
	grace := int64(60)
	at := metav1.NewTime(later.Add(time.Minute))
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &at, &grace
}

func sliceOf(ready bool, pods ...*corev1.Pod) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{}
	for _, pod := range pods {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			TargetRef: &corev1.ObjectReference{UID: pod.UID}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return slice
}

func TestStates(t *testing.T) {
	for name, test := range map[string]struct {
		pod      *corev1.Pod
		unlisted bool
		answer   *instances.Answer
		state    adapters.InstanceState
		reason   string
		message  string
		since    time.Time
	}{
		"ready":       {pod: podOf("mcp-a-0"), state: adapters.InstanceReady, since: later},
		"unannounced": {pod: podOf("mcp-a-0"), unlisted: true, state: adapters.InstanceStarting, reason: "Starting", message: "about to be announced", since: later},
		"unschedulable": {pod: podOf("mcp-a-0", func(pod *corev1.Pod) {
			pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/2 nodes are available: 2 Insufficient cpu.", LastTransitionTime: metav1.NewTime(later),
			}}}
		}), state: adapters.InstanceStarting, reason: "Unschedulable", message: "Insufficient cpu.", since: later},
		"creating":   {pod: podOf("mcp-a-0", waiting("ContainerCreating", "")), state: adapters.InstanceStarting, reason: "Starting", message: "being started", since: later},
		"no image":   {pod: podOf("mcp-a-0", waiting("ImagePullBackOff", `Back-off pulling image "x"`)), state: adapters.InstanceFailed, reason: "ImagePullBackOff", message: `Back-off pulling image "x".`, since: later},
		"crash loop": {pod: podOf("mcp-a-0", waiting("CrashLoopBackOff", "back-off 10s"), died), state: adapters.InstanceFailed, reason: "CrashLoopBackOff", message: "back-off 10s. The server ended: exit status 1. Its last words: no token ***", since: later},
		"exited": {pod: podOf("mcp-a-0", unready, func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", FinishedAt: metav1.NewTime(later)}}
		}), state: adapters.InstanceFailed, reason: adapters.ReasonExited, message: "exit status 137, OOMKilled.", since: later},
		"bridge says": {pod: podOf("mcp-a-0", unready), answer: &instances.Answer{State: adapters.InstanceFailed, Reason: "CrashLoop", Message: "npm says no"}, state: adapters.InstanceFailed, reason: "CrashLoop", message: "npm says no", since: later},
		"not started": {pod: podOf("mcp-a-0", unready, func(pod *corev1.Pod) { *pod.Status.ContainerStatuses[0].Started = false }), state: adapters.InstanceStarting, reason: "NotStarted", message: "startup probe", since: later},
		"not ready":   {pod: podOf("mcp-a-0", unready, died), state: adapters.InstanceStarting, reason: "NotReady", message: "last words", since: later},
		"evicted": {pod: podOf("mcp-a-0", unready, func(pod *corev1.Pod) {
			pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory"
		}), state: adapters.InstanceFailed, reason: "Evicted", message: "low on resource: memory.", since: later},
		"draining":        {pod: podOf("mcp-a-0", ending), state: adapters.InstanceDraining, reason: "Draining", message: "keeps its sessions", since: later},
		"draining bridge": {pod: podOf("mcp-a-0", ending, unready), unlisted: true, state: adapters.InstanceDraining, reason: "Draining", message: "keeps its sessions", since: later},
		"ended":           {pod: podOf("mcp-a-0", ending, waiting("ContainerCreating", ""))},
		"lost":            {pod: podOf("mcp-a-0", func(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse }), state: adapters.InstanceFailed, reason: "NodeLost", message: "not heard of", since: later},
		"lost and ending": {pod: podOf("mcp-a-0", ending, func(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse })},
		"no replica":      {pod: podOf("mcp-a-x")},
	} {
		t.Run(name, func(t *testing.T) {
			world := instances.World{
				Pods: []*corev1.Pod{test.pod}, Slices: []*discoveryv1.EndpointSlice{sliceOf(!test.unlisted, test.pod)},
				Answers: map[types.UID]instances.Answer{},
				Conceal: func(_ adapters.UID, text string) string { return strings.ReplaceAll(text, "s3cret", "***") },
			}
			if test.answer != nil {
				world.Answers[test.pod.UID] = *test.answer
			}
			list := instances.Of(world)["adapter"]
			if test.state == "" {
				if len(list) != 0 {
					t.Errorf("got %+v", list)
				}
				return
			}
			if len(list) != 1 {
				t.Fatalf("got %d instances", len(list))
			}
			got := list[0]
			if got.State != test.state || got.Reason != test.reason || !strings.Contains(got.Message, test.message) || !got.Since.Equal(test.since) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestInstancesAreInOrder(t *testing.T) {
	second := podOf("mcp-a-1", func(pod *corev1.Pod) { pod.Status.PodIP = "fd00::2"; pod.Status.ContainerStatuses[0].RestartCount = 2 })
	first := podOf("mcp-a-0")
	got := instances.Of(instances.World{
		Pods: []*corev1.Pod{second, first}, Slices: []*discoveryv1.EndpointSlice{sliceOf(true, first), sliceOf(true, second)},
		Answers: map[types.UID]instances.Answer{second.UID: {State: adapters.InstanceReady, Restarts: 1, Tools: []string{"echo"}}},
	})
	want := map[adapters.UID][]adapters.Instance{"adapter": {
		{ID: "uid of mcp-a-0", Ordinal: 0, Address: "10.0.0.1:8000", State: adapters.InstanceReady, Since: later, TemplateHash: "hash"},
		{ID: "uid of mcp-a-1", Ordinal: 1, Address: "[fd00::2]:8000", State: adapters.InstanceReady, Since: later, TemplateHash: "hash", Restarts: 3, Tools: []string{"echo"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
