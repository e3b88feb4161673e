package stdio

import (
	"fmt"
	"os"
)

// pipes makes what a child has for input, output and errors: our ends and its.
func pipes() (ours, theirs [3]*os.File, err error) {
	for i := range ours {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(append(ours[:], theirs[:]...)...)
			return ours, theirs, fmt.Errorf("making a pipe: %w", err)
		}
		ours[i], theirs[i] = read, write
		if i == 0 {
			ours[i], theirs[i] = write, read
		}
	}
	return ours, theirs, nil
}

// closeAll closes what a start that came to nothing had opened.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
