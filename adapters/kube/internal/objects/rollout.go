package objects

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// patience is how long the only replica of an adapter may be ending before
// another takes new sessions in its place.
const patience = 5 * time.Second

// Rollout changes set, as Make returned it, into the next step on the way there
// from the pods that there are. Kubernetes replaces one replica after the other
// by itself; but where there is only one, nobody would serve new sessions while
// it keeps its old ones. Then there is a second one for that time: it comes
// first, and ends when the first is there again. again is when to ask anew
// without any change; zero means never.
func Rollout(set *appsv1.StatefulSet, pods []corev1.Pod, now time.Time) (again time.Duration) {
	if *set.Spec.Replicas != 1 {
		return 0
	}
	revision := set.Spec.Template.Labels[LabelRevision]
	first, second := podAt(set, pods, 0), podAt(set, pods, 1)
	alive := second != nil && second.DeletionTimestamp == nil
	helped := alive && IsReady(second) && second.Labels[LabelRevision] == revision
	switch {
	case first == nil:
		keep(set, alive)
	case first.DeletionTimestamp != nil:
		left := patience - now.Sub(DeletedAt(first))
		keep(set, second != nil || left <= 0)
		return max(0, left)
	case first.Labels[LabelRevision] == revision:
		keep(set, helped && !IsReady(first))
	case !IsReady(first):
		// It serves nobody, so there is nothing to lose.
	default:
		keep(set, true)
		if !helped {
			*set.Spec.UpdateStrategy.RollingUpdate.Partition = 1
		}
	}
	return 0
}

func keep(set *appsv1.StatefulSet, second bool) {
	if second {
		*set.Spec.Replicas = 2
	}
}

func podAt(set *appsv1.StatefulSet, pods []corev1.Pod, ordinal int) *corev1.Pod {
	for i := range pods {
		if n, ok := Ordinal(set.Name, pods[i].Name); ok && n == ordinal {
			return &pods[i]
		}
	}
	return nil
}

// DeletedAt is when the pod was asked to end.
func DeletedAt(pod *corev1.Pod) time.Time {
	at := pod.DeletionTimestamp.Time
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		at = at.Add(-time.Duration(*grace) * time.Second)
	}
	return at
}
