package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// What the API keeps of an adapter beside its spec. An admission policy of the
// chart lets nobody else set or change them.
const (
	// AnnotationCreatedBy is the Principal.ID of the creator. Absent, as after
	// kubectl apply, means nobody: administrators and requiredRoles.
	AnnotationCreatedBy = "mooring.dev/created-by"
	// AnnotationOrigin is adapters.Adapter's Origin.
	AnnotationOrigin = "mooring.dev/origin"
	// AnnotationLastUpdatedAt is when the API last changed the adapter: RFC 3339.
	AnnotationLastUpdatedAt = "mooring.dev/last-updated-at"
)

// fieldManager is the name under which the API's changes are known to Kubernetes.
const fieldManager = "mooring-api"

// describe writes what a has beside its spec into object.
func describe(object *v1alpha1.MCPAdapter, a adapters.Adapter) {
	set := func(name, value string) {
		if value == "" {
			delete(object.Annotations, name)
			return
		}
		metav1.SetMetaDataAnnotation(&object.ObjectMeta, name, value)
	}
	set(AnnotationCreatedBy, a.CreatedBy)
	set(AnnotationOrigin, a.Origin)
	updated := ""
	if !a.LastUpdatedAt.Equal(a.CreatedAt) {
		updated = a.LastUpdatedAt.UTC().Format(time.RFC3339Nano)
	}
	set(AnnotationLastUpdatedAt, updated)
}

// described is what object has beside its spec.
func described(object *v1alpha1.MCPAdapter) (adapters.Adapter, error) {
	id, err := UIDOf(object.UID)
	if err != nil {
		return adapters.Adapter{}, err
	}
	createdBy := object.Annotations[AnnotationCreatedBy]
	return adapters.Adapter{
		ID:            id,
		CreatedBy:     createdBy,
		CreatedAt:     object.CreationTimestamp.UTC(),
		LastUpdatedAt: lastUpdate(object),
		Generation:    object.Generation,
		Origin:        object.Annotations[AnnotationOrigin],
		Revision:      revision(object, createdBy),
	}, nil
}

// revision names a version of the spec and its owner: what else Kubernetes
// counts, status above all, is no change of the adapter.
func revision(object *v1alpha1.MCPAdapter, createdBy string) adapters.Revision {
	sum := sha256.Sum256([]byte(createdBy))
	return adapters.Revision(fmt.Sprintf("%s.%s.%s", object.UID, strconv.FormatInt(object.Generation, 36), hex.EncodeToString(sum[:4])))
}

// lastUpdate is when anything but the status was last changed. The API's own
// changes say it in an annotation, to the microsecond; of others Kubernetes has
// kept it, to the second.
func lastUpdate(object *v1alpha1.MCPAdapter) time.Time {
	created := object.CreationTimestamp.UTC()
	noted, err := time.Parse(time.RFC3339Nano, object.Annotations[AnnotationLastUpdatedAt])
	if err != nil {
		noted = created
	}
	last, others := noted.UTC(), created
	for _, entry := range object.ManagedFields {
		if entry.Manager != fieldManager && entry.Subresource != "status" && entry.Time != nil && entry.Time.After(others) {
			others = entry.Time.UTC()
		}
	}
	if others.After(last) && others.After(created) {
		return others
	}
	return last
}
