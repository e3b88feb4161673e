package apikeys

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
)

const (
	// maxKeys is how many keys there can be.
	maxKeys = 10000
	// maxFile bounds the file, in bytes.
	maxFile = 64 << 20
)

// content is the file's form.
type content struct {
	// Version is 1.
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// File is a Store that is one file, which any number of Keyrings read. Only one
// File may write to it.
type File struct {
	path string
	mu   sync.Mutex
}

// NewFile is the Store in the file at path, which need not exist yet; its
// folder must.
func NewFile(path string) *File { return &File{path: path} }

// Create implements Store.
func (f *File) Create(ctx context.Context, k Key) error {
	return f.change(ctx, func(keys []Key) ([]Key, error) {
		if len(keys) >= maxKeys {
			return nil, ErrFull
		}
		return append(keys, k), nil
	})
}

// Delete implements Store.
func (f *File) Delete(ctx context.Context, id string) error {
	return f.change(ctx, func(keys []Key) ([]Key, error) {
		at := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
		if at < 0 {
			return nil, ErrNotFound
		}
		return slices.Delete(keys, at, at+1), nil
	})
}

// List implements Store.
func (f *File) List(ctx context.Context) ([]Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := readFile(f.path)
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return keys, err
}

func (f *File) change(ctx context.Context, edit func([]Key) ([]Key, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := readFile(f.path)
	if err != nil {
		return err
	}
	if keys, err = edit(keys); err != nil {
		return err
	}
	text, err := json.MarshalIndent(content{Version: 1, Keys: keys}, "", " ")
	if err != nil {
		return fmt.Errorf("encoding api keys: %w", err)
	}
	if err := replace(f.path, text); err != nil {
		return fmt.Errorf("writing api keys: %w", err)
	}
	return nil
}

// readFile are the keys in the file. One that does not exist has none.
func readFile(path string) ([]Key, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading api keys: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("reading api keys: %w", err)
	}
	return decode(text)
}

// decode reads the file's form. A file that is not wholly understood is an
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

// replace puts text in the place of the file: whole and on disk, or not at all.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".apikeys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
