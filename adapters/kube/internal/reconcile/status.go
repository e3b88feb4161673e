package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const (
	reasonInvalid = "Invalid"
	reasonRefused = "DeployFailed"
	reasonOther   = "Other"
	// What Envoy has not answered is asked for again after openSoon, and later after
	// openLong; it is shown as open after openShown.
	openSoon  = 500 * time.Millisecond
	openShown = 5 * time.Second
	openLong  = 30 * time.Second
	// maxMessage is the longest message that Kubernetes takes in a condition, in
	// bytes.
	maxMessage = 32 << 10
	// maxReason is far less than Kubernetes takes, and more than any word has.
	maxReason = 128
)

// report writes how the adapter is, where that is not there yet. wait is when to
// ask anew for what is open; zero means never.
func (r *Reconciler) report(ctx context.Context, object *v1alpha1.MCPAdapter, a adapters.Adapter, deployErr error) (wait time.Duration, err error) {
	said := r.cfg.Status(a)
	next := object.Status.DeepCopy()
	next.ObservedGeneration = object.Generation
	next.Replicas = int32(instances.Made(said.Instances))
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
	conditions, wait = r.await(object, conditions)
	setConditions(next, conditions, object.Generation)
	return wait, r.write(ctx, object, next)
}

// await leaves what the object says of Envoy's answer while that is open: it comes
// within a moment, and each change of a pod would be written twice otherwise. An
// Envoy that is connected to another replica never answers this one.
func (r *Reconciler) await(object *v1alpha1.MCPAdapter, said []adapters.Condition) ([]adapters.Condition, time.Duration) {
	at := slices.IndexFunc(said, func(c adapters.Condition) bool { return c.Type == adapters.ConditionProgrammed })
	if at < 0 || said[at].Status != adapters.StatusUnknown {
		return said, 0
	}
	opened := r.now().Sub(said[at].LastTransitionTime)
	wait := openSoon
	if opened > openLong {
		wait = openLong
	}
	before := meta.FindStatusCondition(object.Status.Conditions, adapters.ConditionProgrammed)
	current := before != nil && before.ObservedGeneration == object.Generation
	switch {
	case current:
		said = slices.Clone(said)
		said[at].Status, said[at].Reason, said[at].Message = string(before.Status), before.Reason, before.Message
	case opened < openShown:
		said = slices.Delete(slices.Clone(said), at, at+1)
	}
	return said, wait
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
		message := strings.ToValidUTF8(c.Message[:min(len(c.Message), maxMessage)], "")
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: c.Type, Status: metav1.ConditionStatus(c.Status), Reason: wordOf(c.Reason), Message: message, ObservedGeneration: generation,
		})
	}
}

// wordOf is reason in the form that Kubernetes takes, which refuses all of a status
// for another: bridges and whoever writes events may say anything.
func wordOf(reason string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const digits = "0123456789"
	reason = strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+digits+"_,:", r) {
			return r
		}
		return -1
	}, reason)
	reason = strings.TrimLeft(reason, digits+"_,:")
	reason = strings.TrimRight(reason[:min(len(reason), maxReason)], "_,:")
	return cmp.Or(reason, reasonOther)
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
