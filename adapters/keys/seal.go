package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SealingKeyBytes is the length of a sealing key and of a master that such are
// derived from.
const SealingKeyBytes = 32

// ErrNotSealed is in the chain of the error for a value that this key, for this
// purpose, did not seal.
var ErrNotSealed = errors.New("not sealed with this key")

// DeriveSealingKey is the sealing key of one adapter, derived from the master
// (HKDF-SHA256), so that whoever has it can make no other adapter's.
func DeriveSealingKey(master []byte, adapterUID string) ([]byte, error) {
	if len(master) != SealingKeyBytes {
		return nil, fmt.Errorf("the master key has %d bytes instead of %d", len(master), SealingKeyBytes)
	}
	key, err := hkdf.Key(sha256.New, master, nil, "mooring sealing "+adapterUID, SealingKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("deriving a sealing key: %w", err)
	}
	return key, nil
}

// Sealer encrypts small values so that only holders of the same key can read
// them, and nobody else can make them (AES-256-GCM).
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns the Sealer of a key of SealingKeyBytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != SealingKeyBytes {
		return nil, fmt.Errorf("the sealing key has %d bytes instead of %d", len(key), SealingKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("using the sealing key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("using the sealing key: %w", err)
	}
	return &Sealer{aead}, nil
}

// Seal returns the value in a form that is text (base64url). It can be opened
// for the same purpose only.
func (s *Sealer) Seal(value []byte, purpose string) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, value, []byte(purpose)))
}

// Open returns a value that was sealed for the purpose.
func (s *Sealer) Open(sealed, purpose string) ([]byte, error) {
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	// One value has one form: the decoder passes over line breaks, and more.
	if err != nil || base64.RawURLEncoding.EncodeToString(text) != sealed {
		return nil, ErrNotSealed
	}
	value, err := s.aead.Open(nil, nil, text, []byte(purpose))
	if err != nil {
		return nil, ErrNotSealed
	}
	return value, nil
}

// SealingKey reads the key in the file, which is made (0600) where it is
// missing. When several processes make it at once they get the same.
func SealingKey(file string) ([]byte, error) {
	key, err := ReadSealingKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	made := make([]byte, SealingKeyBytes)
	// Since Go 1.24 this never fails.
	_, _ = rand.Read(made)
	if err := placeOnce(file, made); err != nil {
		return nil, fmt.Errorf("making a sealing key: %w", err)
	}
	return ReadSealingKey(file)
}

// ReadSealingKey reads the key in the file: fs.ErrNotExist where it is missing.
func ReadSealingKey(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the sealing key: %w", err)
	}
	defer func() { _ = f.Close() }()
	// One more than there may be, to notice what is too long.
	key := make([]byte, SealingKeyBytes+1)
	n, err := f.Read(key)
	if err != nil || n != SealingKeyBytes {
		return nil, fmt.Errorf("the sealing key in %s is not %d bytes long", file, SealingKeyBytes)
	}
	return key[:n], nil
}

// placeOnce writes the file whole, unless there is one.
func placeOnce(file string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".sealing-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
