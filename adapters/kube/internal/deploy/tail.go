package deploy

import (
	"bytes"
	"errors"
	"io"
)

// tail reads all of a text, and keeps its newest lines, of which most bytes at
// most. Of a single line that is longer, the end is kept, less so many bytes as the
// secret may have that was cut there.
func tail(text io.Reader, most, secret int) ([]byte, error) {
	kept, chunk, cut := []byte{}, make([]byte, 32<<10), false
	for {
		n, err := text.Read(chunk)
		kept = append(kept, chunk[:n]...)
		if len(kept) > 2*most {
			kept, cut = append(kept[:0], kept[len(kept)-most:]...), true
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(kept) > most {
		kept, cut = kept[len(kept)-most:], true
	}
	if !cut {
		return kept, nil
	}
	if _, whole, found := bytes.Cut(kept, []byte{'\n'}); found && len(whole) > 0 {
		return whole, nil
	}
	return kept[min(len(kept), secret):], nil
}
