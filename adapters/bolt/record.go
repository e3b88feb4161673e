package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
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
	// Secrets are those of the adapter, sealed for it alone.
	Secrets string           `json:"secrets,omitempty"`
	Adapter adapters.Adapter `json:"adapter"`
}

func (s *Store) encode(a adapters.Adapter) ([]byte, error) {
	secrets, err := s.seal(a)
	if err != nil {
		return nil, err
	}
	// What is encoded of the adapter itself shows no secret.
	value, err := json.Marshal(record{recordVersion, a.Revision, a.Generation, a.Origin, secrets, a})
	if err != nil {
		return nil, fmt.Errorf("encoding record %q: %w", a.Name, err)
	}
	return value, nil
}

// decode reads the record under name, or answers ErrCorrupt.
func (s *Store) decode(name string, value []byte) (adapters.Adapter, error) {
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
	err := strict.Decode(&r)
	if err != nil {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: %w", ErrCorrupt, name, err)
	}
	a := r.Adapter
	if a.Name != name || a.ID == "" || r.Revision == "" {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: it is of adapter %q, id %q, revision %q",
			ErrCorrupt, name, a.Name, a.ID, r.Revision)
	}
	a.Revision, a.Generation, a.Origin = r.Revision, r.Generation, r.Origin
	if a.SecretEnvironmentVariables, err = s.open(a, r.Secrets); err != nil {
		return adapters.Adapter{}, fmt.Errorf("%w: %q: its secrets: %w", ErrCorrupt, name, err)
	}
	a.Spec = a.Normalize()
	a.CreatedAt, a.LastUpdatedAt = a.CreatedAt.UTC(), a.LastUpdatedAt.UTC()
	return a, nil
}

// purpose binds sealed secrets to their adapter: those of another cannot be put
// in their place.
func purpose(a adapters.Adapter) string { return "secrets of adapter " + string(a.ID) }

// seal is a's secrets for the file, or empty where it has none.
func (s *Store) seal(a adapters.Adapter) (string, error) {
	if len(a.SecretEnvironmentVariables) == 0 {
		return "", nil
	}
	if s.sealer == nil {
		return "", fmt.Errorf("%w: secrets cannot be kept, since there is no key for them (xds --secrets-key)", adapters.ErrUnsupported)
	}
	text, err := json.Marshal(a.Secrets())
	if err != nil {
		return "", fmt.Errorf("encoding secrets of %q: %w", a.Name, err)
	}
	return s.sealer.Seal(text, purpose(a)), nil
}

var errNoKey = errors.New("there is no key for them (xds --secrets-key)")

// open is the inverse of seal.
func (s *Store) open(a adapters.Adapter, sealed string) (map[string]adapters.Secret, error) {
	if sealed == "" {
		return nil, nil
	}
	if s.sealer == nil {
		return nil, errNoKey
	}
	text, err := s.sealer.Open(sealed, purpose(a))
	if err != nil {
		return nil, err
	}
	var secrets map[string]adapters.Secret
	if err := json.Unmarshal(text, &secrets); err != nil {
		// The error of the decoder could show a part of one.
		return nil, errors.New("they are not what was sealed")
	}
	return secrets, nil
}
