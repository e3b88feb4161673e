package kube

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// readings are what objects were found to say, by name: all are listed whenever one
// changes. They are replaced as a whole, and not changed.
type readings map[string]reading

// reading is of one version of an object that refers to no Secret, and stands as
// long as the verdict on it.
type reading struct {
	uid     types.UID
	version string
	adapter adapters.Adapter
	judged  time.Time
}

// of is what the object says, in memory of its own, if that is known.
func (r readings) of(object *v1alpha1.MCPAdapter) (a adapters.Adapter, found bool) {
	known, found := r[object.Name]
	if !found || known.uid != object.UID || known.version != object.ResourceVersion || time.Since(known.judged) >= verdictStands {
		return adapters.Adapter{}, false
	}
	a = known.adapter
	a.Spec = a.Normalize()
	return a, true
}

// readingOf is that of an object which says a. What it refers to may change while it
// does not, so that of one with references there is none.
func (s *Store) readingOf(object *v1alpha1.MCPAdapter, a adapters.Adapter) (_ reading, ok bool) {
	if len(object.Spec.SecretEnvironmentVariables) > 0 {
		return reading{}, false
	}
	judged, found := s.verdicts.get(object.Name)
	a.Spec = a.Normalize()
	return reading{uid: object.UID, version: object.ResourceVersion, adapter: a, judged: judged.at}, found
}
