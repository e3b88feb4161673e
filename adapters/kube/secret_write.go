package kube

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// keySeparator stands in a key of a Secret between the variable's name and a
// random part: a value that changes gets another key, so that the adapter's object
// changes with it, in one step, and what was there stays until then.
const keySeparator = "."

// maxKeyName is how much of a variable's name a key begins with, in bytes.
const maxKeyName = 200

// ownSecret is the name of the Secret with the values that came through the API.
func ownSecret(adapter string) string { return objects.EnvName(adapter) }

// place says where each of the secrets is to be kept: where the object has it
// already, or else under a new key of the adapter's own Secret. The second answer
// is what must be written there.
func place(object *v1alpha1.MCPAdapter, current, next map[string]adapters.Secret) (map[string]v1alpha1.SecretReference, map[string][]byte) {
	if len(next) == 0 {
		return nil, nil
	}
	references, added := make(map[string]v1alpha1.SecretReference, len(next)), map[string][]byte{}
	for variable, value := range next {
		if kept, found := object.Spec.SecretEnvironmentVariables[variable]; found && current[variable] == value {
			references[variable] = kept
			continue
		}
		key := variable[:min(len(variable), maxKeyName)] + keySeparator + strings.ToLower(rand.Text()[:8])
		references[variable] = v1alpha1.SecretReference{Name: ownSecret(object.Name), Key: key}
		added[key] = []byte(value.Reveal())
	}
	return references, added
}

// writeSecret adds what is new to object's own Secret, and takes away what none of
// the references means: those of the object as it was, which pods that still run
// were started from, and as it will be.
func (s *Store) writeSecret(ctx context.Context, object *v1alpha1.MCPAdapter, added map[string][]byte, needed ...map[string]v1alpha1.SecretReference) error {
	if len(added) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := s.tryWriteSecret(ctx, object, added, needed)
		if apierrors.IsInvalid(err) {
			// Kubernetes has no other rule that these could break.
			return fmt.Errorf("%w: Kubernetes keeps no more than 1 MiB of an adapter's secrets, those included that its pods still run with", adapters.ErrUnsupported)
		}
		if !retryable(err) || attempt == writeAttempts {
			return err
		}
	}
}

func (s *Store) tryWriteSecret(ctx context.Context, object *v1alpha1.MCPAdapter, added map[string][]byte, needed []map[string]v1alpha1.SecretReference) error {
	name := ownSecret(object.Name)
	var secret corev1.Secret
	err := s.live.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		return s.client.Create(ctx, newSecret(object, added))
	}
	if err != nil {
		return err
	}
	if !metav1.IsControlledBy(&secret, object) {
		return s.replaceSecret(ctx, &secret, newSecret(object, added))
	}
	data := maps.Clone(added)
	for _, references := range needed {
		for _, reference := range references {
			if value, found := secret.Data[reference.Key]; found && reference.Name == name {
				data[reference.Key] = value
			}
		}
	}
	secret.Data = data
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[objects.AnnotationFor] = object.ResourceVersion
	return s.client.Update(ctx, &secret)
}

// replaceSecret puts fresh in the place of one that an adapter of the name left,
// which Kubernetes is about to remove. One that is anybody else's stays.
func (s *Store) replaceSecret(ctx context.Context, old, fresh *corev1.Secret) error {
	if owner := metav1.GetControllerOf(old); owner == nil || !isAdapter(*owner) {
		return fmt.Errorf("%w: the Secret %s, which would hold the adapter's secrets, is somebody else's", adapters.ErrUnsupported, old.Name)
	}
	uid := old.UID
	if err := s.client.Delete(ctx, old, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return err
	}
	return s.client.Create(ctx, fresh)
}

// newSecret is object's own Secret, which ends with it.
func newSecret(object *v1alpha1.MCPAdapter, data map[string][]byte) *corev1.Secret {
	yes := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: ownSecret(object.Name), Namespace: object.Namespace,
			Labels:      map[string]string{labelManaged: partOfMooring, labelAdapter: object.Name},
			Annotations: map[string]string{objects.AnnotationFor: object.ResourceVersion},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.Kind, Name: object.Name, UID: object.UID, Controller: &yes,
			}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
}
