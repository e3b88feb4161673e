package audit

import (
	"errors"
	"os"
)

// rotated is the ending of the file that a full one becomes.
const rotated = ".1"

// file is an output with a name. It may be moved away at any time.
type file struct {
	path string
	max  int64

	// current is nil before it is ready for the first time.
	current *os.File
	size    int64
}

// ready opens the file where it is not open, was moved away, or is full.
func (f *file) ready() (chain, error) {
	if f.max > 0 && f.size >= f.max {
		if err := os.Rename(f.path, f.path+rotated); err != nil && !errors.Is(err, os.ErrNotExist) {
			return chain{}, err
		}
	}
	there, err := f.isThere()
	if err != nil || there {
		return chain{}, err
	}
	old := f.current
	found, err := f.open()
	if err == nil && old != nil {
		err = old.Close()
	}
	return found, err
}

// isThere reports whether the file that is open is the one at the path.
func (f *file) isThere() (bool, error) {
	if f.current == nil {
		return false, nil
	}
	open, err := f.current.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return err == nil && os.SameFile(open, there), nil
}

// open opens the file at the path, and reads the chain that is in it.
func (f *file) open() (chain, error) {
	opened, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return chain{}, err
	}
	found, err := read(opened)
	if err == nil {
		err = opened.Truncate(found.whole)
	}
	if err != nil {
		return chain{}, errors.Join(err, opened.Close())
	}
	f.current, f.size = opened, found.whole
	return found, nil
}

// write takes away what it wrote where the disk had no place for all of it: a
// line that goes on from half of another would break the chain.
func (f *file) write(lines []byte, sync bool) error {
	_, err := f.current.Write(lines)
	if err == nil && sync {
		err = f.current.Sync()
	}
	if err != nil {
		return errors.Join(err, f.current.Truncate(f.size))
	}
	f.size += int64(len(lines))
	return nil
}

// Close implements io.Closer.
func (f *file) Close() error { return f.current.Close() }
