package reconcile

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// hurried is how long the pods of a deleted adapter have to end, in seconds:
// nobody can reach their sessions any more, and an adapter that is created under
// the same name waits for them.
const hurried = 2

// hurry lets the pods of an adapter that is gone end soon.
func (r *Reconciler) hurry(ctx context.Context, name string) error {
	pods, err := r.pods(ctx, client.MatchingLabels{objects.LabelAdapter: name})
	if err != nil {
		return err
	}
	return r.hurryAll(ctx, pods, hurried)
}

// ofLife parts the pods of one life of an adapter from those of former ones, which
// are in the way.
func ofLife(pods []corev1.Pod, id adapters.UID) (own, former []corev1.Pod) {
	for _, pod := range pods {
		if pod.Labels[objects.LabelUID] == string(id) {
			own = append(own, pod)
		} else {
			former = append(former, pod)
		}
	}
	return own, former
}

// hurryAll lets the pods end within grace seconds.
func (r *Reconciler) hurryAll(ctx context.Context, pods []corev1.Pod, grace int64) error {
	for i := range pods {
		if given := pods[i].DeletionGracePeriodSeconds; given != nil && *given <= grace {
			continue
		}
		if err := r.end(ctx, &pods[i], grace); err != nil {
			return err
		}
	}
	return nil
}

// forceLost removes pods that ended with their node, so that their replicas are
// started elsewhere: nobody else says that they are gone. An adapter with a claim
// that all its replicas share keeps them, since the node may still write to it.
func (r *Reconciler) forceLost(ctx context.Context, in objects.Input, pods []corev1.Pod) error {
	for _, volume := range in.Object.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			return nil
		}
	}
	for i := range pods {
		if pods[i].DeletionTimestamp == nil || !instances.NodeLost(&pods[i]) {
			continue
		}
		r.cfg.Log.Warn("removing pod of a lost node", "adapter", in.Adapter.Name, "pod", pods[i].Name)
		if err := r.end(ctx, &pods[i], 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) end(ctx context.Context, pod *corev1.Pod, grace int64) error {
	uid := pod.UID
	err := r.cfg.Client.Delete(ctx, pod.DeepCopy(), client.GracePeriodSeconds(grace), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("ending pod %s: %w", pod.Name, err)
	}
	return nil
}
