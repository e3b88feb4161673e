//go:build envtest

package kube

// What the tests in .ci/kube import, which `go mod tidy` does not look into.
import (
	_ "k8s.io/client-go/tools/clientcmd"
	_ "sigs.k8s.io/controller-runtime/pkg/envtest"
)
