package e2e

import (
	"strings"
	"testing"
)

// editors may write adapters, and are nobody to Mooring.
const editors = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: editors, namespace: mcp}
rules:
- {apiGroups: [mooring.dev], resources: [mcpadapters], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editors, namespace: mcp}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: editors}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: eve}]
`

// owners: who may write adapters with kubectl can make nobody their owner.
func owners(t *testing.T) {
	kubectl(t, editors, "apply", "--filename", "-")
	m := gateway(t)
	deploy(t, m, testServer("owned", 1))
	owner := read(t, m, "owned").CreatedBy
	as := func(args ...string) error {
		_, err := tryKubectl(t.Context(), "", append(args, "--namespace", adapters, "--as", "eve")...)
		return err
	}
	if err := as("patch", "mcpa", "owned", "--type", "merge", "--patch", `{"spec":{"description":"hers to write"}}`); err != nil {
		t.Errorf("a change by who may write: %v", err)
	}
	for name, args := range map[string][]string{
		"a change":  {"annotate", "mcpa", "owned", "--overwrite", "mooring.dev/created-by=eve"},
		"a removal": {"annotate", "mcpa", "owned", "mooring.dev/created-by-"},
	} {
		if err := as(args...); err == nil || !strings.Contains(err.Error(), "created-by") {
			t.Errorf("%s of the owner: %v", name, err)
		}
	}
	forged := strings.Replace(manifest("forged", ""), "namespace: mcp", `namespace: mcp, annotations: {mooring.dev/created-by: eve}`, 1)
	if _, err := tryKubectl(t.Context(), forged, "apply", "--filename", "-", "--as", "eve"); err == nil {
		t.Error("an adapter that names its owner was taken")
		remove(t, m, "forged")
	}
	if got := read(t, m, "owned").CreatedBy; got != owner {
		t.Errorf("the owner was %q and is %q", owner, got)
	}
}
