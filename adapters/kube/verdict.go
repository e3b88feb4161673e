package kube

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// verdictStands is how long the verdict on an object does. Rules that the operator
// has in files, and the verdict with them, can change while the object does not.
const verdictStands = time.Minute

// verdicts are what was found wrong with objects, by name: they are listed far
// more often than they change.
type verdicts struct {
	mu    sync.Mutex
	known map[string]verdict
}

// verdict is one on what an object and its Secrets were.
type verdict struct {
	uid        types.UID
	generation int64
	secrets    map[string]string
	at         time.Time
	// fault is a ValidationError, or nil.
	fault error
}

// verdict is the ValidationError of spec, which object and the Secrets say, or nil.
func (s *Store) verdict(object *v1alpha1.MCPAdapter, spec adapters.Spec, secrets map[string]*corev1.Secret) error {
	now := verdict{uid: object.UID, generation: object.Generation, secrets: make(map[string]string, len(secrets)), at: time.Now()}
	for name, secret := range secrets {
		now.secrets[name] = string(secret.UID) + "/" + secret.ResourceVersion
	}
	if before, found := s.verdicts.get(object.Name); found && before.stands(now) {
		return before.fault
	}
	now.fault = adapters.Invalid(adapters.MergeFaults(spec.Validate(s.limits), s.check(spec)))
	s.verdicts.put(object.Name, now)
	return now.fault
}

func (v verdict) stands(now verdict) bool {
	return v.uid == now.uid && v.generation == now.generation && maps.Equal(v.secrets, now.secrets) && now.at.Sub(v.at) < verdictStands
}

func (v *verdicts) get(name string) (verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.known[name]
	return known, found
}

func (v *verdicts) put(name string, now verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]verdict{}
	}
	v.known[name] = now
}

// keep forgets the verdicts on all objects but these, which are in order of name.
func (v *verdicts) keep(objects []v1alpha1.MCPAdapter) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.known, func(name string, _ verdict) bool {
		_, found := slices.BinarySearchFunc(objects, name, func(object v1alpha1.MCPAdapter, name string) int {
			return strings.Compare(object.Name, name)
		})
		return !found
	})
}
