package reconcile

import (
	"context"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// leftPause is when values that are still needed are looked at again: of the last
// use of some, nothing else tells.
const leftPause = 10 * time.Second

// forget takes values out of the adapter's own Secret that its users removed or
// replaced, once no pod needs them and none will. wait is when to look again; zero
// means never.
func (r *Reconciler) forget(ctx context.Context, object *v1alpha1.MCPAdapter) (wait time.Duration, err error) {
	// The cache says whether there is anything to do; the API server, whether it may
	// be done.
	left, free, err := r.leftovers(ctx, r.cfg.Client, object)
	if err != nil || left == nil {
		return 0, err
	}
	if !free {
		return leftPause, nil
	}
	left, free, err = r.leftovers(ctx, r.cfg.Direct, object)
	if err != nil || left == nil {
		return 0, err
	}
	if !free {
		return leftPause, nil
	}
	r.cfg.Log.InfoContext(ctx, "removing values that nothing needs", "adapter", object.Name, "object", describe(left))
	switch err := r.cfg.Client.Update(ctx, left, Manager); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return again, nil // somebody wrote to it
	case err != nil:
		return 0, fmt.Errorf("removing values from %s: %w", describe(left), err)
	}
	return 0, nil
}

// leftovers is the adapter's own Secret without the values that its object does not
// refer to; nil where it has none such. They are free to go once no pod was made
// with them, none will be, and no change of the object is on its way that refers to
// them.
func (r *Reconciler) leftovers(ctx context.Context, from client.Reader, object *v1alpha1.MCPAdapter) (left *corev1.Secret, free bool, err error) {
	name := objects.EnvName(object.Name)
	secret := &corev1.Secret{}
	// The Secret is read before the object: what was written to it since is a
	// conflict, and what was written before is for the object as it is or was.
	if err := from.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: name}, secret); err != nil {
		return nil, false, ignoreGone(err, "reading secret %s", name)
	}
	now := &v1alpha1.MCPAdapter{}
	if err := from.Get(ctx, client.ObjectKeyFromObject(object), now); err != nil {
		return nil, false, ignoreGone(err, "reading adapter %q", object.Name)
	}
	if !metav1.IsControlledBy(secret, now) {
		return nil, false, nil
	}
	kept := map[string]bool{}
	for _, reference := range now.Spec.SecretEnvironmentVariables {
		kept[reference.Key] = kept[reference.Key] || reference.Name == name
	}
	left = secret.DeepCopy()
	maps.DeleteFunc(left.Data, func(key string, _ []byte) bool { return !kept[key] })
	if len(left.Data) == len(secret.Data) {
		return nil, false, nil
	}
	if secret.Annotations[objects.AnnotationFor] == now.ResourceVersion {
		return left, false, nil
	}
	used, err := r.used(ctx, from, now, name)
	if err != nil {
		return nil, false, err
	}
	for key := range secret.Data {
		if used[key] && !kept[key] {
			return left, false, nil
		}
	}
	return left, used != nil, nil
}

// used are the keys of the Secret that pods of the adapter were made with, or will
// be. Nil while Kubernetes may still make pods of an older template.
func (r *Reconciler) used(ctx context.Context, from client.Reader, object *v1alpha1.MCPAdapter, secret string) (map[string]bool, error) {
	set := &appsv1.StatefulSet{}
	if err := from.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: objects.Name(object.Name)}, set); err != nil {
		return nil, ignoreGone(err, "reading stateful set of adapter %q", object.Name)
	}
	update := set.Spec.UpdateStrategy.RollingUpdate
	if set.Status.ObservedGeneration != set.Generation || update == nil || update.Partition == nil || *update.Partition > 0 {
		return nil, nil
	}
	var pods corev1.PodList
	if err := from.List(ctx, &pods, client.InNamespace(object.Namespace), client.MatchingLabels{
		objects.LabelManagedBy: objects.ManagedBy, objects.LabelAdapter: object.Name,
	}); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	keys := map[string]bool{}
	for _, key := range objects.SecretKeys(&set.Spec.Template.Spec, secret) {
		keys[key] = true
	}
	for i := range pods.Items {
		for _, key := range objects.SecretKeys(&pods.Items[i].Spec, secret) {
			keys[key] = true
		}
	}
	return keys, nil
}

// ignoreGone is err with what was being done, unless what was asked for is gone.
func ignoreGone(err error, doing, name string) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf(doing+": %w", name, err)
}
