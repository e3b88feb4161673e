package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const (
	reasonInvalid = "Invalid"
	reasonRefused = "DeployFailed"
	// maxMessage is the longest message that Kubernetes takes in a condition, in
	// bytes.
	maxMessage = 32 << 10
)

// report writes how the adapter is, where that is not there yet.
func (r *Reconciler) report(ctx context.Context, object *v1alpha1.MCPAdapter, a adapters.Adapter, deployErr error) error {
	said := r.cfg.Status(a)
	next := object.Status.DeepCopy()
	next.ObservedGeneration = object.Generation
	next.Replicas = int32(len(said.Instances))
	next.ReadyReplicas = int32(said.ReadyReplicas)
	next.UpdatedReplicas = int32(said.UpdatedReplicas)
	next.AvailableReplicas = int32(said.AvailableReplicas)
	next.ReplicaStatus = said.ReplicaStatus
	next.Image = said.Image
	next.URL = r.cfg.URL(a.Name)
	next.Selector = labels.SelectorFromSet(labels.Set{
		objects.LabelManagedBy: objects.ManagedBy, objects.LabelUID: string(a.ID),
	}).String()
	conditions := said.Conditions
	if deployErr != nil && said.ReadyReplicas == 0 {
		conditions = slices.Clone(conditions)
		for i := range conditions {
			if conditions[i].Type == adapters.ConditionReady {
				conditions[i].Reason, conditions[i].Message = reasonRefused, deployErr.Error()
			}
		}
	}
	setConditions(next, conditions, object.Generation)
	return r.write(ctx, object, next)
}

// reportUnreadable says why an object cannot be taken for an adapter.
func (r *Reconciler) reportUnreadable(ctx context.Context, object *v1alpha1.MCPAdapter, why *adapters.UnreadableError) error {
	next := object.Status.DeepCopy()
	next.ObservedGeneration = object.Generation
	next.ReplicaStatus = "Invalid"
	setConditions(next, []adapters.Condition{{
		Type: adapters.ConditionReady, Status: adapters.StatusFalse, Reason: reasonInvalid, Message: cmp.Or(causeOf(why), why.Reason),
	}}, object.Generation)
	return r.write(ctx, object, next)
}

// causeOf is what is wrong with the object, in the words of the rule that it
// breaks; empty where it is not known.
func causeOf(why *adapters.UnreadableError) string {
	if why.Cause == nil {
		return ""
	}
	return why.Cause.Error()
}

// setConditions keeps the time of those whose status stays the same, and drops
// those that are not said any more.
func setConditions(status *v1alpha1.MCPAdapterStatus, said []adapters.Condition, generation int64) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(old metav1.Condition) bool {
		return !slices.ContainsFunc(said, func(c adapters.Condition) bool { return c.Type == old.Type })
	})
	for _, c := range said {
		message := c.Message
		if len(message) > maxMessage {
			message = message[:maxMessage]
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: c.Type, Status: metav1.ConditionStatus(c.Status), Reason: c.Reason, Message: message, ObservedGeneration: generation,
		})
	}
}

// write writes what differs between the status of object and next.
func (r *Reconciler) write(ctx context.Context, object *v1alpha1.MCPAdapter, next *v1alpha1.MCPAdapterStatus) error {
	if equality.Semantic.DeepEqual(object.Status, *next) {
		return nil
	}
	changed := object.DeepCopy()
	changed.Status = *next
	err := r.cfg.Client.Status().Patch(ctx, changed, client.MergeFrom(object), Manager)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of adapter %q: %w", object.Name, err)
	}
	return nil
}
