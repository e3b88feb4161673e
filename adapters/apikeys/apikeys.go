// Package apikeys makes, keeps and checks API keys: credentials for scripts
// that cannot log in. It knows who may make them, and nothing of adapters.
package apikeys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

// Issuer is the Principal.Issuer of an API key, whose id is the Subject: a key
// is somebody of its own and not its maker, who may leave.
const Issuer = "mooring:apikey"

const (
	idLength     = 16
	secretLength = 2 * 26
)

// What a Store answers. Compare with errors.Is.
var (
	// ErrNotFound: there is no key of that id.
	ErrNotFound = errors.New("api key not found")
	// ErrFull: there are as many keys as there can be.
	ErrFull = errors.New("there are too many api keys")
)

// Key is what is kept of an API key: all but its secret.
type Key struct {
	// ID names the key and is part of it: 16 lower-case letters and digits.
	ID string `json:"id"`
	// Name says for people what the key is for.
	Name string `json:"name"`
	// Roles are what whoever holds the key may do.
	Roles []string `json:"roles"`
	// CreatedBy is the Principal.ID of who made it.
	CreatedBy string `json:"createdBy"`
	// CreatedAt and ExpiresAt are in UTC. From ExpiresAt on the key is good for
	// nothing.
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	// Hash is the SHA-256 of the whole key, in hex. A password needs a slow
	// hash, since it can be guessed; these secrets are 260 random bits, which
	// no speed helps to guess, while each request would pay for the slowness.
	Hash string `json:"hash"`
}

// Store keeps API keys. What it has answered with no error survives a crash of
// the machine. It is safe for use by several goroutines.
type Store interface {
	// Create adds k. ErrFull.
	Create(ctx context.Context, k Key) error
	// List returns all keys in order of making.
	List(ctx context.Context) ([]Key, error)
	// Delete revokes the key of that id. ErrNotFound.
	Delete(ctx context.Context, id string) error
}

// generate makes a new key: mk_ID_SECRET. The text is shown to who asked for it
// and is nowhere else.
func generate() (id, text string) {
	id = strings.ToLower(rand.Text()[:idLength])
	text = authn.APIKeyPrefix + id + "_" + rand.Text() + rand.Text()
	return id, text
}

// parse is the id in the text of a key that has the right form.
func parse(text string) (id string, valid bool) {
	rest, prefixed := strings.CutPrefix(text, authn.APIKeyPrefix)
	id, secret, found := strings.Cut(rest, "_")
	return id, prefixed && found && len(id) == idLength && len(secret) == secretLength
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
