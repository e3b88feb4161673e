package instances

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// The reasons that are not Kubernetes' own.
const (
	ReasonStarting = "Starting"
	ReasonDraining = "Draining"
	// ReasonNodeLost means that the pod's node is not heard of.
	ReasonNodeLost = "NodeLost"
	// ReasonNotReady means that the server runs, and its readiness probe fails.
	ReasonNotReady = "NotReady"
	// ReasonNotStarted means that it runs, and its startup probe fails.
	ReasonNotStarted = "NotStarted"
)

// maxWords is how much of a server's last words is shown, in bytes.
const maxWords = 2 << 10

// state is how a replica is.
type state struct {
	state           adapters.InstanceState
	reason, message string
	since           time.Time
}

// state says how the pod is. It is not ok when the pod is no replica any more: it
// is ending and serves nobody.
func (v view) state() (s state, ok bool) {
	pod := v.pod
	switch {
	case NodeLost(pod):
		// Nobody can tell it to end, so it may stay for long.
		if pod.DeletionTimestamp != nil {
			return state{}, false
		}
		s = state{adapters.InstanceFailed, ReasonNodeLost, "The node of the pod is not heard of.", readySince(pod)}
	case pod.DeletionTimestamp != nil:
		// A bridge that drains is not ready, and serves its sessions all the same:
		// so it counts that the server runs, and not what its probe says.
		if !running(pod) {
			return state{}, false
		}
		s = state{adapters.InstanceDraining, ReasonDraining, "It keeps its sessions and takes no new ones.", objects.DeletedAt(pod)}
	case pod.Status.Phase == corev1.PodFailed, pod.Status.Phase == corev1.PodSucceeded:
		s = state{adapters.InstanceFailed, cmp.Or(pod.Status.Reason, "PodEnded"), sentence(cmp.Or(pod.Status.Message, "The pod has ended, and is about to be replaced.")), readySince(pod)}
	case objects.IsReady(pod) && v.listed:
		s = state{state: adapters.InstanceReady, since: readySince(pod)}
	default:
		s = v.unready()
	}
	return s, true
}

// unready says why the pod is not ready yet, or any more.
func (v view) unready() state {
	pod := v.pod
	if c := objects.Condition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		return state{adapters.InstanceStarting, c.Reason, sentence(c.Message) + v.claims(), c.LastTransitionTime.Time}
	}
	for _, c := range pod.Status.InitContainerStatuses {
		if c.State.Waiting != nil && !patient(c.State.Waiting.Reason) {
			return v.waiting(c)
		}
	}
	c := serverOf(pod)
	switch {
	case c == nil || c.State.Waiting != nil && patient(c.State.Waiting.Reason):
		return v.created()
	case c.State.Waiting != nil:
		return v.waiting(*c)
	case c.State.Terminated != nil:
		return state{adapters.InstanceFailed, adapters.ReasonExited, ended(c.State.Terminated), c.State.Terminated.FinishedAt.Time}
	case v.answer != nil && v.answer.State != adapters.InstanceReady:
		since := readySince(pod)
		return state{v.answer.State, v.answer.Reason, v.answer.Message, since}
	case objects.IsReady(pod):
		return v.starting("The pod is ready, and is about to be announced.")
	case c.Started != nil && !*c.Started:
		return state{adapters.InstanceStarting, ReasonNotStarted, v.again(joined("The server runs, and its startup probe does not succeed yet.", v.probed())), readySince(pod)}
	default:
		return state{adapters.InstanceStarting, ReasonNotReady, v.again(joined("The server runs, and its readiness probe does not succeed.", v.probed())), readySince(pod)}
	}
}

// patient reports whether a container that waits for that reason only needs time.
func patient(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

func (v view) starting(message string) state {
	return state{adapters.InstanceStarting, ReasonStarting, v.again(message), readySince(v.pod)}
}

// created is for a pod of which nothing runs yet, and nothing is wrong but what
// Kubernetes may warn of.
func (v view) created() state {
	if w, found := v.hindrance(); found {
		return state{adapters.InstanceStarting, w.Reason, v.again(sentence(w.Message)), w.First}
	}
	return v.starting("The pod is being started.")
}

// again adds how the server ended before, where it did.
func (v view) again(message string) string {
	c := serverOf(v.pod)
	if c == nil || c.LastTerminationState.Terminated == nil {
		return message
	}
	return joined(message, ended(c.LastTerminationState.Terminated))
}

// joined is both, of which either may be empty.
func joined(first, second string) string { return strings.TrimSpace(first + " " + second) }

// waiting is for a container that something is wrong with: its image, its
// settings, or that it keeps ending.
func (v view) waiting(c corev1.ContainerStatus) state {
	reason, message := c.State.Waiting.Reason, sentence(c.State.Waiting.Message)
	if last := c.LastTerminationState.Terminated; last != nil {
		message = joined(message, ended(last))
	}
	return state{adapters.InstanceFailed, reason, message, readySince(v.pod)}
}

// ended says how a server ended, with its last words.
func ended(t *corev1.ContainerStateTerminated) string {
	how := fmt.Sprintf("exit status %d", t.ExitCode)
	if t.Signal != 0 {
		how = fmt.Sprintf("signal %d", t.Signal)
	}
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		how += ", " + t.Reason
	}
	message := "The server ended: " + how + "."
	words := strings.TrimSpace(strings.ToValidUTF8(t.Message, ""))
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[len(words)-maxWords:], "")
	}
	if words != "" {
		message += " Its last words: " + words
	}
	return message
}

// sentence is text with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

func running(pod *corev1.Pod) bool {
	c := serverOf(pod)
	return c != nil && c.State.Running != nil && pod.Status.PodIP != ""
}

// NodeLost reports whether the control plane has declared the pod's node dead:
// it then takes the pod's readiness away, while the containers' is the kubelet's
// to change, which is not heard of.
func NodeLost(pod *corev1.Pod) bool {
	c := objects.Condition(pod, corev1.PodReady)
	if c == nil || c.Status == corev1.ConditionTrue || len(pod.Spec.ReadinessGates) > 0 || len(pod.Status.ContainerStatuses) == 0 {
		return false
	}
	for _, container := range pod.Status.ContainerStatuses {
		if !container.Ready {
			return false
		}
	}
	return true
}

// readySince is when the pod's readiness last changed, or it was made.
func readySince(pod *corev1.Pod) time.Time {
	if c := objects.Condition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return pod.CreationTimestamp.Time
}
