package local

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
)

// maxLine is how much of a line is held back until its end is written.
const maxLine = 64 << 10

// follower reads what is added to a file, which may be renamed and begun anew,
// truncated, or not be there yet. Lines come whole, so that two files can be
// followed into one stream.
type follower struct {
	path, name string
	f          *os.File
	offset     int64
	partial    []byte
}

func newFollower(dir, name string) *follower {
	return &follower{path: filepath.Join(dir, name), name: name}
}

// follow goes over to the file of that name in another folder.
func (f *follower) follow(dir string) {
	f.close()
	f.path = filepath.Join(dir, f.name)
}

func (f *follower) close() {
	if f.f != nil {
		f.f.Close()
	}
	f.f, f.offset = nil, 0
}

// tail is what the file holds already, its newest part if that is much; copy
// goes on after it.
func (f *follower) tail() []byte {
	if !f.open() {
		return nil
	}
	text, size, err := tailOf(f.f)
	if err != nil {
		return nil
	}
	f.offset = size
	return text
}

// copy writes the lines that were added since to w.
func (f *follower) copy(w io.Writer) error {
	for {
		if !f.open() {
			return nil
		}
		if err := f.drain(w); err != nil {
			return err
		}
		if !f.replaced() {
			return nil
		}
		// What was written between the two looks is still to be read.
		if err := f.drain(w); err != nil {
			return err
		}
		f.close()
	}
}

// finish writes what is left, a last line without its end included.
func (f *follower) finish(w io.Writer) error {
	if err := f.copy(w); err != nil {
		return err
	}
	_, err := w.Write(f.partial)
	f.partial = nil
	return err
}

// open reports whether there is a file.
func (f *follower) open() bool {
	if f.f != nil {
		return true
	}
	file, err := os.Open(f.path)
	if err != nil {
		return false
	}
	f.f, f.offset = file, 0
	return true
}

// replaced reports whether another file has taken the path.
func (f *follower) replaced() bool {
	mine, err := f.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(f.path)
	return err == nil && !os.SameFile(mine, there)
}

func (f *follower) drain(w io.Writer) error {
	if info, err := f.f.Stat(); err == nil && info.Size() < f.offset {
		f.offset = 0 // truncated
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := f.f.ReadAt(buffer, f.offset)
		f.offset += int64(n)
		f.partial = append(f.partial, buffer[:n]...)
		if end := bytes.LastIndexByte(f.partial, '\n') + 1; end > 0 || len(f.partial) > maxLine {
			if end == 0 {
				end = len(f.partial)
			}
			if _, err := w.Write(f.partial[:end]); err != nil {
				return err
			}
			f.partial = append(f.partial[:0], f.partial[end:]...)
		}
		if err != nil || n == 0 {
			// The end of the file, or of what can be read of it: both may change.
			return nil
		}
	}
}
