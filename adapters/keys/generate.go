package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// nameLayout makes names sort by age.
const nameLayout = "20060102T150405Z"

// Generate makes a new key in dir, which signs from now on, and returns its path.
// The folder is made (0700) where it is missing. The file (0600) appears whole
// and on disk, or not at all.
func Generate(dir string) (string, error) { return GenerateFor(dir, time.Now()) }

// GenerateFor is Generate for a key that signs from a later time on. By then all
// who verify should know it.
func GenerateFor(dir string, from time.Time) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding a signing key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making key folder: %w", err)
	}
	path, err := place(dir, from, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		return "", fmt.Errorf("writing a signing key: %w", err)
	}
	return path, nil
}

// place writes text to a hidden file and links it under the first name that is
// free, from that time on.
func place(dir string, from time.Time, text []byte) (string, error) {
	tmp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(text); err != nil {
		return "", err
	}
	if err := tmp.Sync(); err != nil {
		return "", err
	}
	for at := from.UTC(); ; at = at.Add(time.Second) {
		path := filepath.Join(dir, at.Format(nameLayout)+Extension)
		err := os.Link(tmp.Name(), path)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return path, syncDir(dir)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
