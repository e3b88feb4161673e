// Package keys holds key rings that are folders of files, and signs and
// verifies tokens with them: a ring for each purpose, and none for two. The
// file with the highest name signs and all of them verify, so that a key is
// rotated by adding a file and, once what it signed has expired, taking the old
// one away. A file that is named by a time to come verifies only, until then, so
// that all who verify know a key before one signs with it. The package knows
// nothing of what a token says.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Extension ends the name of every key file. Other files in the folder are
// ignored.
const Extension = ".pem"

// ErrNoKey is in the chain of the error for a folder without a key.
var ErrNoKey = errors.New("no signing key")

// Purpose is what the keys of a ring are for. It names them in errors and logs,
// and the flag of extproc that has their folder: --PURPOSE-keys.
type Purpose string

// The purposes.
const (
	// Session keys sign session ids.
	Session Purpose = "session"
	// Identity keys sign what tells servers who calls.
	Identity Purpose = "identity"
)

// maxKeyFile bounds what is read of one file: a P-256 key has 241 bytes.
const maxKeyFile = 16 << 10

// set is an immutable ring: the keys of a folder as they were at one moment.
type set struct {
	// newest is the id of the key that signs.
	newest string
	// made is when that was made.
	made   time.Time
	signer jose.Signer
	public map[string]*ecdsa.PublicKey
}

// load reads the folder as it counts now. Any file in it that is not a usable key
// is an error, so that a ring is never quietly smaller than the operator thinks.
func (p Purpose) load(dir string, now time.Time) (*set, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading key folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), Extension) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s keys: %w in %s: start the mooring launcher, which makes one, or make one with "+
			"\"extproc make-key --%s-keys %s\"", p, ErrNoKey, dir, p, dir)
	}
	sort.Strings(names)
	s, signing := &set{public: make(map[string]*ecdsa.PublicKey, len(names))}, signingName(names, now)
	for _, name := range names {
		key, err := readKey(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading key %s: %w", name, err)
		}
		if err := s.add(key, name == signing); err != nil {
			return nil, fmt.Errorf("using key %s: %w", name, err)
		}
	}
	if s.made, err = madeAt(dir, signing); err != nil {
		return nil, fmt.Errorf("reading key folder: %w", err)
	}
	return s, nil
}

// soon is how far in the future a time may be and count as now: clocks differ, and
// of two keys that are made in one second the later is named by the next.
const soon = time.Minute

// signingName is the highest of the sorted names that is of no time to come, or
// the lowest where all are.
func signingName(names []string, now time.Time) string {
	for _, name := range slices.Backward(names) {
		if at, err := time.Parse(nameLayout+Extension, name); err != nil || !at.After(now.Add(soon)) {
			return name
		}
	}
	return names[0]
}

// madeAt is when a key was made: its name says so, or else its file.
func madeAt(dir, name string) (time.Time, error) {
	if at, err := time.Parse(nameLayout+Extension, name); err == nil {
		return at, nil
	}
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// add puts key into the set, to sign with it or only to verify.
func (s *set) add(key *ecdsa.PrivateKey, signs bool) error {
	id, err := keyID(&key.PublicKey)
	if err != nil {
		return err
	}
	s.public[id] = &key.PublicKey
	if !signs {
		return nil
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}},
		(&jose.SignerOptions{}).WithType(tokenType))
	if err != nil {
		return fmt.Errorf("making signer: %w", err)
	}
	s.newest, s.signer = id, signer
	return nil
}

// equal reports whether both sets sign and verify with the same keys, of the
// same age.
func (s *set) equal(other *set) bool {
	if s.newest != other.newest || !s.made.Equal(other.made) || len(s.public) != len(other.public) {
		return false
	}
	for id := range s.public {
		if other.public[id] == nil {
			return false
		}
	}
	return true
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, errors.New("not a key file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseKey(text)
}

// parseKey reads PKCS#8, or SEC 1, which is what Helm's genPrivateKey makes.
func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("not one PEM block")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a PEM block of type %q, neither PRIVATE KEY (PKCS#8) nor EC PRIVATE KEY (SEC 1)", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", block.Type, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA key on P-256")
	}
	return key, nil
}

// keyID is the RFC 7638 thumbprint: the same for the same key in any file.
func keyID(key *ecdsa.PublicKey) (string, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("computing thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint), nil
}
