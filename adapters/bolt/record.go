package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"go.etcd.io/bbolt"

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

// encode is the record of a for bucket b.
func (s *Store) encode(b *bbolt.Bucket, a adapters.Adapter) ([]byte, error) {
	secrets, err := s.seal(b, a)
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

// decode reads the record under name, or answers an UnreadableError.
func (s *Store) decode(name string, value []byte) (adapters.Adapter, error) {
	var version struct {
		Version int `json:"version"`
		Adapter struct {
			ID adapters.UID `json:"id"`
		} `json:"adapter"`
	}
	if err := json.Unmarshal(value, &version); err != nil {
		return adapters.Adapter{}, damaged(name, "", err)
	}
	if version.Version != recordVersion {
		return adapters.Adapter{}, &adapters.UnreadableError{
			Name: name, ID: version.Adapter.ID, Reason: "it was written by another version of the program",
			Cause: fmt.Errorf("it has version %d, and this program reads version %d", version.Version, recordVersion),
		}
	}
	var r record
	strict := json.NewDecoder(bytes.NewReader(value))
	strict.DisallowUnknownFields()
	err := strict.Decode(&r)
	if err != nil {
		return adapters.Adapter{}, damaged(name, version.Adapter.ID, err)
	}
	a := r.Adapter
	if a.Name != name || a.ID == "" || r.Revision == "" {
		// Whose it is cannot be told.
		return adapters.Adapter{}, damaged(name, "", fmt.Errorf("it is of adapter %q, id %q, revision %q", a.Name, a.ID, r.Revision))
	}
	a.Revision, a.Generation, a.Origin = r.Revision, r.Generation, r.Origin
	if a.SecretEnvironmentVariables, err = s.open(a, r.Secrets); err != nil {
		return adapters.Adapter{}, &adapters.UnreadableError{Name: name, ID: a.ID, Reason: "the key of its secrets is missing, or is another", Cause: err}
	}
	a.Spec = a.Normalize()
	a.CreatedAt, a.LastUpdatedAt = a.CreatedAt.UTC(), a.LastUpdatedAt.UTC()
	return a, nil
}

func damaged(name string, id adapters.UID, cause error) error {
	return &adapters.UnreadableError{Name: name, ID: id, Reason: "it is damaged", Cause: cause}
}

// purpose binds sealed secrets to their adapter: those of another cannot be put
// in their place.
func purpose(a adapters.Adapter) string { return "secrets of adapter " + string(a.ID) }

// seal is a's secrets for the file, or empty where it has none.
func (s *Store) seal(b *bbolt.Bucket, a adapters.Adapter) (string, error) {
	if len(a.SecretEnvironmentVariables) == 0 {
		return "", nil
	}
	sealer, err := s.key.make(b)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(a.Secrets())
	if err != nil {
		return "", fmt.Errorf("encoding secrets of %q: %w", a.Name, err)
	}
	return sealer.Seal(text, purpose(a)), nil
}

// open is the inverse of seal.
func (s *Store) open(a adapters.Adapter, sealed string) (map[string]adapters.Secret, error) {
	if sealed == "" {
		return nil, nil
	}
	sealer := s.key.sealer.Load()
	if sealer == nil {
		return nil, fmt.Errorf("there is no key for them (xds --secrets-key): %w", fs.ErrNotExist)
	}
	text, err := sealer.Open(sealed, purpose(a))
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
