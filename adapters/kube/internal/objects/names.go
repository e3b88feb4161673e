package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// The labels of what belongs to an adapter.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelAdapter is the adapter's name, and LabelUID its adapters.UID.
	LabelAdapter = "mooring.dev/adapter"
	LabelUID     = "mooring.dev/adapter-uid"
	// LabelTemplate, of pods, is the Spec.TemplateHash that they were made of, and
	// LabelRevision a digest of all that they were made of.
	LabelTemplate = "mooring.dev/template-hash"
	LabelRevision = "mooring.dev/revision"
	// LabelServer, of pods, is what serves in them: ServerBridge or ServerImage.
	LabelServer = "mooring.dev/server"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "mooring"
)

// The values of LabelServer.
const (
	// ServerBridge means a bridge: it has /readyz and /metrics beside /mcp.
	ServerBridge = "bridge"
	// ServerImage means an image of the user's own.
	ServerImage = "image"
)

const (
	namePrefix = "mcp-"
	// longestPlain is the longest name that has no digest in it.
	longestPlain = 48
	// keptOfLong is how much of a longer one is kept before a digest of 16
	// characters. The result is longer than longestPlain, so that nobody can choose
	// a name that is another's; and no longer than 52, since the label of a
	// StatefulSet's pods adds 11 and has 63.
	keptOfLong = 31
)

// Name is the name of the objects of the adapter of that name.
func Name(adapter string) string {
	if name := namePrefix + adapter; len(name) <= longestPlain {
		return name
	}
	return namePrefix + adapter[:keptOfLong] + "-" + digest(adapter)
}

// SealingName is the name of the Secret with the adapter's sealing key.
func SealingName(adapter string) string { return Name(adapter) + "-sealing" }

// Labels are those of everything that belongs to the adapter.
func Labels(a adapters.Adapter) map[string]string {
	return map[string]string{
		LabelManagedBy: ManagedBy,
		LabelAdapter:   a.Name,
		LabelUID:       string(a.ID),
	}
}

// selector chooses the pods of one life of the adapter.
func selector(a adapters.Adapter) map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, LabelUID: string(a.ID)}
}

// meta is what all objects of the adapter have in common. Their owner does not
// wait for them when it is deleted, which would need one more right.
func (in Input) meta(name string) metav1.ObjectMeta {
	controls := true
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: in.Object.Namespace,
		Labels:    Labels(in.Adapter),
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion().String(),
			Kind:       v1alpha1.Kind,
			Name:       in.Object.Name,
			UID:        in.Object.UID,
			Controller: &controls,
		}},
	}
}

// digest is 16 hex characters.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// digestOf is the digest of v as JSON.
func digestOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("objects: plain values cannot fail to marshal: " + err.Error())
	}
	return digest(string(text))
}
