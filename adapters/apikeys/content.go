package apikeys

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
)

// maxKeys is how many keys there can be.
const maxKeys = 10000

// content is the form in which all keys are one text.
type content struct {
	// Version is 1.
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// edit makes of all keys those that there are to be.
type edit func([]Key) ([]Key, error)

// adding adds k. ErrFull.
func adding(k Key) edit {
	return func(keys []Key) ([]Key, error) {
		if len(keys) >= maxKeys {
			return nil, ErrFull
		}
		return append(keys, k), nil
	}
}

// removing removes the key of that id. ErrNotFound.
func removing(id string) edit {
	return func(keys []Key) ([]Key, error) {
		at := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
		if at < 0 {
			return nil, ErrNotFound
		}
		return slices.Delete(keys, at, at+1), nil
	}
}

// inOrder sorts keys by their making.
func inOrder(keys []Key) {
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

func byID(keys []Key) map[string]Key {
	out := make(map[string]Key, len(keys))
	for _, key := range keys {
		out[key.ID] = key
	}
	return out
}

func encode(keys []Key) ([]byte, error) {
	text, err := json.MarshalIndent(content{Version: 1, Keys: keys}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding api keys: %w", err)
	}
	return text, nil
}

// decode reads that form. A text that is not wholly understood is an
// error: a key that cannot be read could be one that was revoked.
func decode(text []byte) ([]Key, error) {
	var c content
	err := jsonv2.Unmarshal(bytes.TrimSpace(text), &c, jsonv2.RejectUnknownMembers(true))
	if err != nil {
		return nil, fmt.Errorf("decoding api keys: %w", err)
	}
	if c.Version != 1 {
		return nil, fmt.Errorf("decoding api keys: version %d is not known", c.Version)
	}
	return c.Keys, nil
}

// decodeOrNone takes an empty text for no keys.
func decodeOrNone(text []byte) ([]Key, error) {
	if len(text) == 0 {
		return nil, nil
	}
	return decode(text)
}
