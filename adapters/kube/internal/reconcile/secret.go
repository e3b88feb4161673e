package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// seal makes sure that there is a sealing key of this life of the adapter. It is
// made once. It is blocked while that of an earlier life is there.
func (r *Reconciler) seal(ctx context.Context, in objects.Input) (blocked bool, err error) {
	live := &corev1.Secret{}
	name := client.ObjectKey{Namespace: r.cfg.Namespace, Name: objects.SealingName(in.Adapter.Name)}
	switch err := r.cfg.Client.Get(ctx, name, live); {
	case apierrors.IsNotFound(err):
	case err != nil:
		return false, fmt.Errorf("reading secret %s: %w", name.Name, err)
	case live.GetLabels()[objects.LabelUID] == string(in.Adapter.ID):
		return false, nil
	default:
		return true, r.delete(ctx, live)
	}
	key := make([]byte, keys.SealingKeyBytes)
	// Since Go 1.24 this never fails.
	_, _ = rand.Read(key)
	secret := objects.SealingSecret(in, key)
	switch err := r.cfg.Client.Create(ctx, secret, Manager); {
	case apierrors.IsAlreadyExists(err):
		// The cache did not know yet.
		return true, nil
	case err != nil:
		return false, fmt.Errorf("making secret %s: %w", name.Name, err)
	}
	return false, nil
}
