package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// TestWhatWakesListeners: what changes an adapter, and not its status.
func TestWhatWakesListeners(t *testing.T) {
	adapter := func(change func(*v1alpha1.MCPAdapter)) client.Object {
		object := anObject()
		change(object)
		return object
	}
	secret := func(version string, change func(*corev1.Secret)) client.Object {
		object := newSecret(anObject(), nil)
		object.ResourceVersion = version
		change(object)
		return object
	}
	same, theirs := func(*corev1.Secret) {}, func(s *corev1.Secret) { s.Name, s.OwnerReferences = "theirs", nil }
	sealing := func(s *corev1.Secret) { s.Name = "mcp-one-sealing" }
	for name, tt := range map[string]struct {
		before, after client.Object
		changed       func(old, current client.Object) bool
		wakes         bool
	}{
		"status": {anObject(), adapter(func(o *v1alpha1.MCPAdapter) { o.ResourceVersion, o.Status.ReadyReplicas = "8", 1 }), specChanged, false},
		"spec":   {anObject(), adapter(func(o *v1alpha1.MCPAdapter) { o.Generation = 2 }), specChanged, true},
		"owner": {anObject(), adapter(func(o *v1alpha1.MCPAdapter) {
			o.Annotations = map[string]string{AnnotationCreatedBy: "bob"}
		}), specChanged, true},
		"another life":  {anObject(), adapter(func(o *v1alpha1.MCPAdapter) { o.UID = "another" }), specChanged, true},
		"end":           {anObject(), adapter(func(o *v1alpha1.MCPAdapter) { o.DeletionTimestamp = new(metav1.Now()) }), specChanged, true},
		"listed anew":   {secret("1", same), secret("1", same), dataChanged, false},
		"its secrets":   {secret("1", same), secret("2", same), dataChanged, true},
		"a user's":      {secret("1", theirs), secret("2", theirs), dataChanged, true},
		"a sealing key": {secret("1", sealing), secret("2", sealing), dataChanged, false},
	} {
		s := &Store{}
		changes := s.Changes(t.Context())
		s.handler(tt.changed).OnUpdate(tt.before, tt.after)
		if woke := len(changes) > 0; woke != tt.wakes {
			t.Errorf("%s: woke listeners: %v", name, woke)
		}
	}
}
