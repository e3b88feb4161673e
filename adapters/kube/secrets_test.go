package kube

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

func TestSecretsOf(t *testing.T) {
	broken := errors.New("the network is down")
	for name, tt := range map[string]struct {
		change func(*corev1.Secret)
		find   error
		want   string
	}{
		"there":     {},
		"no Secret": {find: noSecret, want: string(noSecret)},
		"no answer": {find: broken, want: "the network is down"},
		"no key":    {change: func(s *corev1.Secret) { delete(s.Data, "k") }, want: string(noKey)},
		"no text":   {change: func(s *corev1.Secret) { s.Data["k"] = []byte{0xff} }, want: string(notText)},
		"the control plane's": {
			change: func(s *corev1.Secret) { s.Labels = map[string]string{labelPartOf: partOfMooring} }, want: string(notLendable),
		},
		"a certificate": {change: func(s *corev1.Secret) { s.Type = corev1.SecretTypeTLS }, want: string(notLendable)},
		"another adapter's": {
			change: func(s *corev1.Secret) { s.OwnerReferences = newSecret(&v1alpha1.MCPAdapter{}, nil).OwnerReferences }, want: string(notLendable),
		},
		"its own": {
			change: func(s *corev1.Secret) { s.OwnerReferences = newSecret(anObject(), nil).OwnerReferences },
		},
		"somebody else's": {
			change: func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: v1alpha1.Kind, UID: "x"}}
			},
		},
	} {
		secret := &corev1.Secret{Data: map[string][]byte{"k": []byte("hunter22"), "other": nil}}
		if tt.change != nil {
			tt.change(secret)
		}
		object := anObject()
		object.Spec.SecretEnvironmentVariables = map[string]v1alpha1.SecretReference{"TOKEN": {Name: "s", Key: "k"}}
		got, err := secretsOf(object, func(name string) (*corev1.Secret, error) {
			if name != "s" {
				t.Errorf("%s was asked for", name)
			}
			return secret, tt.find
		})
		switch {
		case tt.want == "" && (err != nil || got["TOKEN"] != "hunter22"):
			t.Errorf("%s: got %v, %v", name, got, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter22")):
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
		var fault *secretFault
		if errors.As(err, &fault) != (tt.want != "" && tt.find != broken) {
			t.Errorf("%s: %v is of the wrong kind", name, err)
		}
	}
}

// TestPlaceKeepsWhatIsSame: what does not change stays where it is, whoever put
// it there, and what changes gets a key that was not there.
func TestPlaceKeepsWhatIsSame(t *testing.T) {
	object := anObject()
	theirs := v1alpha1.SecretReference{Name: "theirs", Key: "k"}
	object.Spec.SecretEnvironmentVariables = map[string]v1alpha1.SecretReference{"KEPT": theirs, "CHANGED": theirs, "GONE": theirs}
	long := strings.Repeat("N", 256)
	references, added := place(object,
		map[string]adapters.Secret{"KEPT": "same", "CHANGED": "old", "GONE": "gone"},
		map[string]adapters.Secret{"KEPT": "same", "CHANGED": "new!", long: "long"})
	if d := cmp.Diff([]string{"CHANGED", "KEPT", long}, slices.Sorted(maps.Keys(references))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if references["KEPT"] != theirs || len(added) != 2 {
		t.Errorf("references %v, %d added", references, len(added))
	}
	for variable, value := range map[string]string{"CHANGED": "new!", long: "long"} {
		reference := references[variable]
		if reference.Name != "mcp-one-env" || string(added[reference.Key]) != value || len(reference.Key) > 253 {
			t.Errorf("%s is at %v", variable, reference)
		}
	}
	again, _ := place(object, nil, map[string]adapters.Secret{"CHANGED": "new!"})
	if again["CHANGED"] == references["CHANGED"] {
		t.Error("a key was given twice")
	}
	if references, added := place(object, nil, nil); references != nil || added != nil {
		t.Errorf("no secrets are at %v, %v", references, added)
	}
}
