package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// request is what the API's audit log says of a request.
type request struct {
	Verb string
	User struct{ Username string }
	// ObjectRef is absent where no object is asked for.
	ObjectRef struct{ Resource, Subresource, Namespace, Name, APIGroup string }
	// ResponseStatus is absent where the client went before.
	ResponseStatus struct{ Code int }
	RequestURI     string
}

// needs reports whether the request needs the right to verb. Applying what is
// not there also needs that to create it; a watch that begins with all there is
// stands for a list, which older clusters are asked for in its place.
func (r request) needs(verb string) bool {
	switch {
	case r.Verb == verb:
		return true
	case verb == "create":
		return r.Verb == "patch" && r.ResponseStatus.Code == 201
	case verb == "list":
		return r.Verb == "watch" && strings.Contains(r.RequestURI, "sendInitialEvents=true")
	}
	return false
}

// rights: all that went before asked for nothing that the chart's roles forbid,
// and used every verb that they allow.
func rights(t *testing.T) {
	asked := requests(t, "system:serviceaccount:"+release+":")
	if len(asked) == 0 {
		t.Fatal("the audit log shows no request of the release")
	}
	for _, r := range asked {
		if r.ResponseStatus.Code == 403 {
			t.Errorf("forbidden: %s %s", r.Verb, r.RequestURI)
		}
	}
	for _, namespace := range []string{release, adapters} {
		var roles rbacv1.RoleList
		if err := lab.objects.List(t.Context(), &roles, client.InNamespace(namespace),
			client.MatchingLabels{"app.kubernetes.io/instance": release}); err != nil {
			t.Fatal(err)
		}
		if len(roles.Items) == 0 {
			t.Errorf("the chart has no roles in %s", namespace)
		}
		for _, role := range roles.Items {
			for _, rule := range role.Rules {
				unused(t, asked, role, rule)
			}
		}
	}
}

// unused names each verb of the rule that no request needed.
func unused(t *testing.T, asked []request, role rbacv1.Role, rule rbacv1.PolicyRule) {
	t.Helper()
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				needed := slices.ContainsFunc(asked, func(r request) bool {
					of := r.ObjectRef.Resource
					if r.ObjectRef.Subresource != "" {
						of += "/" + r.ObjectRef.Subresource
					}
					return r.needs(verb) && of == resource && r.ObjectRef.APIGroup == group && r.ObjectRef.Namespace == role.Namespace &&
						(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.ObjectRef.Name))
				})
				if !needed {
					t.Errorf("role %s/%s allows %s of %s, which nothing used", role.Namespace, role.Name, verb, resource)
				}
			}
		}
	}
}

// requests are those of users whose name begins so.
func requests(t *testing.T, prefix string) (all []request) {
	t.Helper()
	file, err := os.Open(filepath.Join(lab.state, "log", "audit.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("the audit log: %v", err)
		}
		if strings.HasPrefix(r.User.Username, prefix) {
			all = append(all, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
