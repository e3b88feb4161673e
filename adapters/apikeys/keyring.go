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

// Keyring checks API keys. It is safe for use by several goroutines.
type Keyring struct {
	// find is the key of that id as it is now, or the zero Key.
	find func(id string) (Key, error)
	now  func() time.Time
}

// NewKeyring checks keys against a File's file at path, which need not exist yet.
// It looks at the file each time a key is used: that takes microseconds, and a key
// that was revoked is refused from that moment on, with no watcher that could miss
// it. A nil clock is time.Now.
func NewKeyring(path string, now func() time.Time) *Keyring {
	return newKeyring((&file{path: path}).find, now)
}

// NewDocumentKeyring checks keys against d, as it was last heard of. A nil clock is
// time.Now.
func NewDocumentKeyring(d Document, now func() time.Time) *Keyring {
	return newKeyring((&heard{document: d}).find, now)
}

func newKeyring(find func(string) (Key, error), now func() time.Time) *Keyring {
	if now == nil {
		now = time.Now
	}
	return &Keyring{find: find, now: now}
}

// CheckKey implements authn.KeyChecker. Keys that cannot be read are an error that
// is no Refusal: going on with what was read before could mean accepting revoked
// keys.
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

// file is a File's file, as one Keyring has read it.
type file struct {
	path string

	mu   sync.Mutex
	seen os.FileInfo
	// readAt is when the file was read that keys are from.
	readAt time.Time
	keys   map[string]Key
}

func (f *file) find(id string) (Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		f.seen, f.keys = nil, nil
		return Key{}, nil
	}
	if err != nil {
		return Key{}, err
	}
	if !f.current(info) {
		at := time.Now()
		keys, err := readFile(f.path)
		if err != nil {
			f.seen = nil
			return Key{}, err
		}
		f.keys, f.seen, f.readAt = byID(keys), info, at
	}
	return f.keys[id], nil
}

// current reports whether the file is still the one that was read.
func (f *file) current(info os.FileInfo) bool {
	return f.seen != nil && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() &&
		f.seen.ModTime().Equal(info.ModTime()) && f.readAt.Sub(info.ModTime()) > young
}
