package apikeys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// maxFile bounds the file, in bytes.
const maxFile = 64 << 20

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
func (f *File) Create(ctx context.Context, k Key) error { return f.change(ctx, adding(k)) }

// Delete implements Store.
func (f *File) Delete(ctx context.Context, id string) error { return f.change(ctx, removing(id)) }

// List implements Store.
func (f *File) List(ctx context.Context) ([]Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := readFile(f.path)
	inOrder(keys)
	return keys, err
}

func (f *File) change(ctx context.Context, change edit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := readFile(f.path)
	if err != nil {
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	text, err := encode(keys)
	if err != nil {
		return err
	}
	if err := replace(f.path, text); err != nil {
		return fmt.Errorf("writing api keys: %w", err)
	}
	return nil
}

// WriteFile puts the text of a Document, empty where it has none, into the file at
// path, for Keyrings; whole and on disk, or not at all. A text that is not
// understood is an error.
func WriteFile(path string, text []byte) error {
	keys, err := decodeOrNone(text)
	if err != nil {
		return err
	}
	if text, err = encode(keys); err != nil {
		return err
	}
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, text) {
		return nil
	}
	if err := replace(path, text); err != nil {
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
