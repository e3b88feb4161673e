package apikeys

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// young is the age under which a file may have been changed again since it was
// read, without that showing in its time.
const young = time.Second

// Keyring checks API keys against a File's file. It looks at the file each time
// a key is used: that takes microseconds, and a key that was revoked is refused
// from that moment on, with no watcher that could miss it. It is safe for use by
// several goroutines.
type Keyring struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	seen os.FileInfo
	// readAt is when the file was read that keys are from.
	readAt time.Time
	keys   map[string]Key
}

// NewKeyring reads the file at path, which need not exist yet. A nil clock is
// time.Now.
func NewKeyring(path string, now func() time.Time) *Keyring {
	if now == nil {
		now = time.Now
	}
	return &Keyring{path: path, now: now}
}

// CheckKey implements authn.KeyChecker. A file that cannot be read is an error
// that is no Refusal: going on with what was read before could mean accepting
// revoked keys.
func (r *Keyring) CheckKey(text string) (adapters.Principal, error) {
	id, valid := parse(text)
	if !valid {
		return adapters.Principal{}, refuse(authn.ReasonMalformed, "The API key is not valid.")
	}
	key, err := r.find(id)
	if err != nil {
		return adapters.Principal{}, fmt.Errorf("checking an api key: %w", err)
	}
	// The hash of no key is empty and equals none. That an id is unknown may
	// show in the time this takes: ids are no secret.
	if subtle.ConstantTimeCompare([]byte(hash(text)), []byte(key.Hash)) != 1 {
		return adapters.Principal{}, refuse(authn.ReasonAPIKey, "The API key is unknown or was revoked.")
	}
	if !r.now().Before(key.ExpiresAt) {
		return adapters.Principal{}, refuse(authn.ReasonExpired, "The API key has expired.")
	}
	return adapters.Principal{Issuer: Issuer, Subject: key.ID, Name: key.Name, Roles: slices.Clone(key.Roles)}, nil
}

func refuse(reason authn.Reason, message string) error {
	return &authn.Refusal{Reason: reason, Message: message, Scheme: "Bearer", Code: authn.CodeInvalidToken}
}

// find is the key of that id in the file as it is now, or the zero Key.
func (r *Keyring) find(id string) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.path)
	if errors.Is(err, os.ErrNotExist) {
		r.seen, r.keys = nil, nil
		return Key{}, nil
	}
	if err != nil {
		return Key{}, err
	}
	if !r.current(info) {
		at := time.Now()
		keys, err := readFile(r.path)
		if err != nil {
			r.seen = nil
			return Key{}, err
		}
		r.keys = make(map[string]Key, len(keys))
		for _, key := range keys {
			r.keys[key.ID] = key
		}
		r.seen, r.readAt = info, at
	}
	return r.keys[id], nil
}

// current reports whether the file is still the one that was read.
func (r *Keyring) current(info os.FileInfo) bool {
	return r.seen != nil && os.SameFile(r.seen, info) && r.seen.Size() == info.Size() &&
		r.seen.ModTime().Equal(info.ModTime()) && r.readAt.Sub(info.ModTime()) > young
}
