package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// uninstall does what the guide says. Nothing is left that the chart or the
// control plane made.
func uninstall(t *testing.T) {
	m := gateway(t)
	m.Create(testServer("last", 1))
	m.AwaitReady("last", 1, startTimeout)
	kubectl(t, "", "delete", "mcpadapters", "--all", "--namespace", adapters)
	leavesNothing(t, "last")
	helm(t, "uninstall", release, "--wait", "--timeout", "2m")
	if got := kubectl(t, "", "get", "crd", "mcpadapters.mooring.dev", "--output", "name"); got == "" {
		t.Error("Helm took the CustomResourceDefinition, and with it every adapter, away")
	}
	kubectl(t, "", "delete", "customresourcedefinition", "mcpadapters.mooring.dev")
	var left []string
	harness.Await(t, "nothing is left", startTimeout, func() bool {
		left = leftovers(t)
		return len(left) == 0
	})
	if t.Failed() {
		t.Logf("left: %v", left)
	}
}

// others are what this test, its manifests and Kubernetes itself have in the two
// namespaces.
var others = []string{
	"serviceaccount/default", "configmap/kube-root-ca.crt", "service/front", "endpoints/front", "endpointslice.discovery.k8s.io/front-",
	"role.rbac.authorization.k8s.io/editors", "rolebinding.rbac.authorization.k8s.io/editors", "event/", "event.events.k8s.io/",
}

// leftovers are all objects in the namespaces of the release, and those without a
// namespace that are named like it.
func leftovers(t *testing.T) (left []string) {
	t.Helper()
	kinds := func(namespaced string) string {
		return strings.Join(strings.Fields(kubectl(t, "", "api-resources", "--verbs=list", "--output", "name", "--namespaced="+namespaced)), ",")
	}
	for _, namespace := range []string{release, adapters} {
		for _, name := range strings.Fields(kubectl(t, "", "get", kinds("true"), "--namespace", namespace, "--output", "name")) {
			if !slices.ContainsFunc(others, func(other string) bool { return strings.HasPrefix(name, other) }) {
				left = append(left, namespace+" "+name)
			}
		}
	}
	for _, name := range strings.Fields(kubectl(t, "", "get", kinds("false"), "--output", "name")) {
		if strings.Contains(name, release) && name != "namespace/"+release {
			left = append(left, name)
		}
	}
	return left
}
