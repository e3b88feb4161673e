package local

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"path/filepath"
	"strings"
)

const (
	ownerLength  = 6
	suffixLength = 10
	// maxSocketBytes is what fits into sockaddr_un with its closing NUL.
	maxSocketBytes = 107
	idAlphabet     = "abcdefghijklmnopqrstuvwxyz234567"
)

// ownerOf is what the ids of all instances begin with that belong to one
// adapters folder, so that two gateways on one machine, or a copied state
// folder, never end each other's processes.
func ownerOf(adaptersDir string) string {
	sum := sha256.Sum256([]byte(adaptersDir))
	return base32.NewEncoding(idAlphabet).EncodeToString(sum[:])[:ownerLength]
}

// newSuffix is the part of an id that no other instance has: 50 random bits.
func newSuffix() string {
	return strings.ToLower(rand.Text())[:suffixLength]
}

// owns reports whether id is one that this Deployer gives.
func (d *Deployer) owns(id string) bool {
	return strings.HasPrefix(id, d.owner) && isInstanceID(id)
}

func isInstanceID(id string) bool {
	return len(id) == ownerLength+suffixLength && strings.Trim(id, idAlphabet) == ""
}

// isSegment reports whether a UID may be the name of a folder.
func isSegment(uid string) bool {
	return uid != "" && filepath.IsLocal(uid) && filepath.Base(uid) == uid && uid != "."
}

func (c *Config) socket(id string) string { return filepath.Join(c.RunDir, "b", id+".sock") }
