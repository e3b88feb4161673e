package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotationApplied has a digest of what was applied last. Where it is another,
// something may have to be taken away, which cannot be seen of the object alone.
const annotationApplied = "mooring.dev/applied"

// manifest is object as it is applied: without status and empty members, and
// with its digest.
func manifest(object client.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", object, err)
	}
	delete(fields, "status")
	prune(fields)
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", object, err)
	}
	sum := sha256.Sum256(text)
	u := &unstructured.Unstructured{Object: fields}
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationApplied] = hex.EncodeToString(sum[:8])
	u.SetAnnotations(annotations)
	return u, nil
}

// prune takes members away that are null, which would be owned otherwise.
func prune(fields map[string]any) {
	for name, value := range fields {
		switch v := value.(type) {
		case nil:
			delete(fields, name)
		case map[string]any:
			prune(v)
		case []any:
			for _, element := range v {
				if inner, ok := element.(map[string]any); ok {
					prune(inner)
				}
			}
		}
	}
}

// holds reports whether live, as the cluster has it, has all that wanted says.
// What only live has are the cluster's defaults, and others' business.
func holds(live client.Object, wanted *unstructured.Unstructured) (bool, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return false, fmt.Errorf("encoding %T: %w", live, err)
	}
	for name, value := range wanted.Object {
		if name == "apiVersion" || name == "kind" {
			continue // the cache has none
		}
		if !within(value, fields[name]) {
			return false, nil
		}
	}
	return true, nil
}

// within reports whether all of wanted is in live. Lists have the same length.
func within(wanted, live any) bool {
	switch w := wanted.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return live == nil && len(w) == 0
		}
		for name, value := range w {
			if !within(value, l[name]) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			return live == nil && len(w) == 0
		}
		for i := range w {
			if !within(w[i], l[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(wanted, live)
}
