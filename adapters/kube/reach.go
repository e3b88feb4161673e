package kube

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Reach says how to reach Kubernetes' API: as the kubeconfig file does, or as a pod
// where its path is empty.
func Reach(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes' API: %w", err)
	}
	return config, nil
}
