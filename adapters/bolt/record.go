package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mooring-mcp/mooring/adapters"
)

// recordVersion is the form of records that encode writes. decode refuses
// others: an older program must not write half of what a newer one stored.
const recordVersion = 1

// record is an adapter as it is stored.
type record struct {
	Version    int               `json:"version"`
	Revision   adapters.Revision `json:"revision"`
	Generation int64             `json:"generation"`
	Origin     string            `json:"origin,omitempty"`
	Adapter    adapters.Adapter  `json:"adapter"`
}

func encode(a adapters.Adapter) ([]byte, error) {
	value, err := json.Marshal(record{recordVersion, a.Revision, a.Generation, a.Origin, a})
	if err != nil {
		return nil, fmt.Errorf("encoding record %q: %w", a.Name, err)
	}
	return value, nil
}

// decode reads the record under name, or answers ErrCorrupt.
func decode(name string, value []byte) (adapters.Adapter, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(value, &version); err != nil {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: %w", ErrCorrupt, name, err)
	}
	if version.Version != recordVersion {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: it has version %d, and this program reads version %d",
			ErrCorrupt, name, version.Version, recordVersion)
	}
	var r record
	strict := json.NewDecoder(bytes.NewReader(value))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: %w", ErrCorrupt, name, err)
	}
	a := r.Adapter
	if a.Name != name || a.ID == "" || r.Revision == "" {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: it is of adapter %q, id %q, revision %q",
			ErrCorrupt, name, a.Name, a.ID, r.Revision)
	}
	a.Revision, a.Generation, a.Origin = r.Revision, r.Generation, r.Origin
	a.Spec = a.Normalize()
	a.CreatedAt, a.LastUpdatedAt = a.CreatedAt.UTC(), a.LastUpdatedAt.UTC()
	return a, nil
}
