package objects

import corev1 "k8s.io/api/core/v1"

// AnnotationFor, of the Secret with the values that came through the API, is the
// resourceVersion of the adapter's object that it was written for last. While the
// object has it, a change may be on its way that refers to values nobody refers to
// yet; once it has another, that change can only fail.
const AnnotationFor = "mooring.dev/written-for"

// EnvName is the name of the Secret with the values of the adapter's variables that
// came through the API.
func EnvName(adapter string) string { return namePrefix + adapter + "-env" }

// SecretKeys are the keys of the Secret that the pod's variables are from.
func SecretKeys(pod *corev1.PodSpec, secret string) (keys []string) {
	for _, list := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for _, container := range list {
			for _, variable := range container.Env {
				if from := variable.ValueFrom; from != nil && from.SecretKeyRef != nil && from.SecretKeyRef.Name == secret {
					keys = append(keys, from.SecretKeyRef.Key)
				}
			}
		}
	}
	return keys
}
