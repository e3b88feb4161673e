package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

// secretsKey is the key that secrets are sealed with.
type secretsKey struct {
	// file is empty where secrets are not kept.
	file string
	// sealer is nil while there is no key.
	sealer atomic.Pointer[keys.Sealer]
}

// openKey is the key in the file, which may be missing.
func openKey(file string) (*secretsKey, error) {
	k := &secretsKey{file: file}
	if file == "" {
		return k, nil
	}
	key, err := keys.ReadSealingKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	return k, k.use(key)
}

func (k *secretsKey) use(key []byte) error {
	sealer, err := keys.NewSealer(key)
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	k.sealer.Store(sealer)
	return nil
}

// make is the sealer for what is written to b, with a new key where there is
// none and none is missed.
func (k *secretsKey) make(b *bbolt.Bucket) (*keys.Sealer, error) {
	if sealer := k.sealer.Load(); sealer != nil {
		return sealer, nil
	}
	if k.file == "" {
		return nil, fmt.Errorf("%w: secrets cannot be kept, since there is no key for them (xds --secrets-key)", adapters.ErrUnsupported)
	}
	if hasSecrets(b) {
		return nil, fmt.Errorf("%w: secrets cannot be kept, since the key of those that are stored is missing: "+
			"the operator must bring it back, or an administrator delete the adapters that cannot be read", adapters.ErrUnsupported)
	}
	key, err := keys.SealingKey(k.file)
	if err == nil {
		err = k.use(key)
	}
	return k.sealer.Load(), err
}

// hasSecrets reports whether any record in b has sealed secrets. One that is no
// record may have some.
func hasSecrets(b *bbolt.Bucket) bool {
	found := errors.New("found")
	return b.ForEach(func(_, value []byte) error {
		var r struct {
			Secrets string `json:"secrets"`
		}
		if json.Unmarshal(value, &r) != nil || r.Secrets != "" {
			return found
		}
		return nil
	}) != nil
}
