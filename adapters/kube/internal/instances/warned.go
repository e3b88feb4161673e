package instances

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/warnings"
)

// ReasonNotMade means that Kubernetes does not make the pod: a quota, a limit or a
// rule of admission is against it. It is Kubernetes' own word.
const ReasonNotMade = warnings.FailedCreate

// Made is how many of the instances have a pod.
func Made(list []adapters.InstanceStatus) (n int) {
	for _, i := range list {
		if i.Reason != ReasonNotMade {
			n++
		}
	}
	return n
}

// NotMade are the replicas that the set should have and that Kubernetes says it
// cannot make. One that has a pod is none of them, even where it ends: before that
// its successor is not tried.
func (w World) NotMade(set *appsv1.StatefulSet) (list []adapters.Instance) {
	if set.DeletionTimestamp != nil || set.Spec.Replicas == nil {
		return nil
	}
	taken := map[int]bool{}
	for _, pod := range w.Pods {
		if ordinal, ok := objects.Ordinal(set.Name, pod.Name); ok {
			taken[ordinal] = true
		}
	}
	for _, warning := range w.Warnings[warnings.About{Kind: warnings.StatefulSet, Name: set.Name}] {
		if warning.Object != set.UID || warning.Reason != warnings.FailedCreate {
			continue
		}
		ordinal, cause, ok := refused(set.Name, warning.Message)
		for !ok && taken[ordinal] {
			ordinal++
		}
		if taken[ordinal] || ordinal >= int(*set.Spec.Replicas) {
			continue
		}
		taken[ordinal] = true
		list = append(list, adapters.Instance{
			Ordinal: ordinal, State: adapters.InstanceFailed, Reason: ReasonNotMade,
			Message: sentence("Kubernetes does not make the pod: " + cause), Since: warning.First,
			TemplateHash: set.Spec.Template.Labels[objects.LabelTemplate],
		})
	}
	return list
}

// refused takes the words of the controller of StatefulSets apart, "Create Pod NAME
// in StatefulSet SET failed error: CAUSE": which pod, and why. Where they are others
// they are the cause as they are.
func refused(set, message string) (ordinal int, cause string, ok bool) {
	_, rest, found := strings.Cut(message, " Pod ")
	name, _, _ := strings.Cut(rest, " ")
	_, cause, told := strings.Cut(rest, " failed error: ")
	ordinal, of := objects.Ordinal(set, name)
	if !found || !told || !of {
		return 0, message, false
	}
	return ordinal, cause, true
}

// hindrance is what Kubernetes warned of last about a pod that has a node and is
// not started there: volumes that cannot be mounted, a network that is not there.
func (v view) hindrance() (w warnings.Warning, found bool) {
	// What was in the way before is not any more.
	var after time.Time
	if c := objects.Condition(v.pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionTrue {
		after = c.LastTransitionTime.Time
	}
	if c := objects.Condition(v.pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		after = c.LastTransitionTime.Add(time.Second) // times have whole seconds
	}
	return v.newest(after, func(reason string) bool { return reason != warnings.Unhealthy })
}

// probed is how a probe of the running server failed last; empty where it is not
// known.
func (v view) probed() string {
	c := serverOf(v.pod)
	if c == nil || c.State.Running == nil {
		return ""
	}
	w, _ := v.newest(c.State.Running.StartedAt.Time, func(reason string) bool { return reason == warnings.Unhealthy })
	return sentence(w.Message)
}

// newest is the newest warning about the pod since then.
func (v view) newest(since time.Time, chosen func(reason string) bool) (w warnings.Warning, found bool) {
	for _, w := range v.warnings[warnings.About{Kind: warnings.Pod, Name: v.pod.Name}] {
		if w.Object == v.pod.UID && chosen(w.Reason) && !w.Last.Before(since) {
			return w, true
		}
	}
	return warnings.Warning{}, false
}

// claims is what is wrong with the volumes that the pod claims; empty where
// nothing is known of.
func (v view) claims() string {
	var text strings.Builder
	for _, volume := range v.pod.Spec.Volumes {
		var name string
		switch {
		case volume.PersistentVolumeClaim != nil:
			name = volume.PersistentVolumeClaim.ClaimName
		case volume.Ephemeral != nil:
			name = v.pod.Name + "-" + volume.Name
		default:
			continue
		}
		if list := v.warnings[warnings.About{Kind: warnings.Claim, Name: name}]; len(list) > 0 {
			fmt.Fprintf(&text, " Claim %s: %s", name, sentence(list[0].Message))
		}
	}
	return text.String()
}
