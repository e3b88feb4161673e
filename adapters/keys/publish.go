package keys

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// ErrPrivate is in the chain of the error for a key set that holds more than
// public keys of a ring.
var ErrPrivate = errors.New("the key set holds what is not a public signing key")

// Publish writes the public halves of the ring's keys to the file, as a JSON Web
// Key Set (RFC 7517), now and, while Run works, whenever they change: a new key
// signs nothing before it is there. It is to be called before Run.
func (r *Ring) Publish(file string) error {
	r.published = file
	return r.publish(r.current.Load())
}

// publish replaces the published file, where there is one, by the keys of s.
func (r *Ring) publish(s *set) error {
	if r.published == "" {
		return nil
	}
	text, err := s.keySet()
	if err == nil {
		if there, readErr := os.ReadFile(r.published); readErr == nil && bytes.Equal(there, text) {
			// A full disk is no reason not to start.
			return nil
		}
		err = replace(r.published, text)
	}
	if err != nil {
		return fmt.Errorf("publishing %s keys: %w", r.purpose, err)
	}
	return nil
}

// keySet is the public keys of s: the one that signs first, the others in order
// of their ids.
func (s *set) keySet() ([]byte, error) {
	var list jose.JSONWebKeySet
	for id, key := range s.public {
		list.Keys = append(list.Keys, jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(algorithm), Use: "sig"})
	}
	slices.SortFunc(list.Keys, func(a, b jose.JSONWebKey) int {
		if a.KeyID == s.newest || b.KeyID == s.newest {
			return map[bool]int{true: -1, false: 1}[a.KeyID == s.newest]
		}
		return cmp.Compare(a.KeyID, b.KeyID)
	})
	return json.Marshal(list)
}

// ReadPublished is what Publish wrote to the file, for everybody to see. An
// error, with ErrPrivate in its chain where the file holds anything but public
// keys that sign.
func ReadPublished(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	return onlyPublic(text)
}

// onlyPublic is the key set in text without anything that was not looked at.
func onlyPublic(text []byte) ([]byte, error) {
	var list struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	allowed := []string{"kty", "crv", "x", "y", "kid", "alg", "use"}
	for _, key := range list.Keys {
		for member := range key {
			if !slices.Contains(allowed, member) {
				return nil, fmt.Errorf("reading the key set: member %q: %w", member, ErrPrivate)
			}
		}
		if key["kty"] != "EC" || key["use"] != "sig" {
			return nil, fmt.Errorf("reading the key set: %w", ErrPrivate)
		}
	}
	return json.Marshal(list)
}

// replace puts a file with text (0600) in the place of path.
func replace(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keys-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // once renamed, it is gone
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
