package lines

import (
	"fmt"
	"os"
)

// File is a file that is made anew where somebody has moved it away, so that it
// can be rotated. It is for one goroutine, and open until the program ends.
type File struct {
	path string
	file *os.File
}

// Open opens the file at path to add to it. This user alone may read what is made
// new.
func Open(path string) (*File, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, file: file}, nil
}

func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the access log: %w", err)
	}
	return file, nil
}

// Write implements io.Writer.
func (f *File) Write(text []byte) (int, error) {
	if !f.isThere() {
		file, err := open(f.path)
		if err != nil {
			return 0, err
		}
		_ = f.file.Close() // all of it has been written
		f.file = file
	}
	n, err := f.file.Write(text)
	if err != nil {
		return n, fmt.Errorf("writing the access log: %w", err)
	}
	return n, nil
}

// isThere reports whether the path still leads to the file that is open.
func (f *File) isThere() bool {
	at, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	opened, err := f.file.Stat()
	return err == nil && os.SameFile(at, opened)
}
