package objects

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Ordinal is the place of the pod of that name among those of a StatefulSet.
func Ordinal(set, pod string) (ordinal int, ok bool) {
	digits, found := strings.CutPrefix(pod, set+"-")
	n, err := strconv.Atoi(digits)
	return n, found && err == nil && n >= 0
}

// PodOrdinal is the place of a pod among those of its StatefulSet.
func PodOrdinal(pod *corev1.Pod) (ordinal int, ok bool) {
	for _, owner := range pod.OwnerReferences {
		if owner.Kind == "StatefulSet" {
			return Ordinal(owner.Name, pod.Name)
		}
	}
	return 0, false
}

// IsReady reports whether Kubernetes takes the pod for ready.
func IsReady(pod *corev1.Pod) bool {
	c := Condition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// Condition is the pod's condition of that type, or nil.
func Condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}
