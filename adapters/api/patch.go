package api

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/adapters"
)

// decodePatch reads a JSON merge patch (RFC 7396). It is as strict as
// decodeSpec: names count exactly and once. Null is allowed, since it removes.
func decodePatch(body []byte) (map[string]any, []adapters.Fault) {
	var value any
	if err := json.UnmarshalRead(bytes.NewReader(body), &value); err != nil {
		return nil, []adapters.Fault{syntaxFault(err)}
	}
	patch, isObject := value.(map[string]any)
	if !isObject {
		return nil, []adapters.Fault{{Message: "It must be an object."}}
	}
	var faults []adapters.Fault
	known := append(userFields(), serverFields()...)
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		if !slices.Contains(known, name) {
			faults = append(faults, adapters.Fault{Pointer: adapters.Pointer(name), Message: unknownField(name)})
		}
	}
	return patch, faults
}

// applyPatch is the JSON of spec after patch.
func applyPatch(spec adapters.Spec, patch map[string]any) ([]byte, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encoding adapter %q: %w", spec.Name, err)
	}
	var target any
	if err := json.Unmarshal(text, &target); err != nil {
		return nil, fmt.Errorf("decoding adapter %q: %w", spec.Name, err)
	}
	merged, err := json.Marshal(mergePatch(target, patch), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding adapter %q: %w", spec.Name, err)
	}
	return merged, nil
}

// mergePatch is the function of RFC 7396, section 2. It changes target where
// that is an object.
func mergePatch(target, patch any) any {
	members, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	merged, isObject := target.(map[string]any)
	if !isObject {
		merged = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = mergePatch(merged[name], value)
		}
	}
	return merged
}
