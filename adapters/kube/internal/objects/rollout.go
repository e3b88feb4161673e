package objects

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Rollout changes set, as Make returned it, into the next step on the way there
// from the pods that there are. Kubernetes replaces one replica after the other
// by itself; but where there is only one, nobody would serve new sessions while
// it keeps its old ones. Then there is a second one for that time: it comes
// first, and ends when the first is there again.
func Rollout(set *appsv1.StatefulSet, pods []corev1.Pod) {
	if *set.Spec.Replicas != 1 {
		return
	}
	revision := set.Spec.Template.Labels[LabelRevision]
	first, second := podAt(set, pods, 0), podAt(set, pods, 1)
	alive := second != nil && second.DeletionTimestamp == nil
	helped := alive && IsReady(second) && second.Labels[LabelRevision] == revision
	switch {
	case first == nil:
		keep(set, alive)
	case first.DeletionTimestamp != nil:
		keep(set, true)
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
