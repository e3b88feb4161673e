package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineReader cuts a stream into lines of bounded length.
type lineReader struct {
	r   *bufio.Reader
	max int
}

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, min(max, 16<<10)), max: max}
}

// next returns the next line without its line break, in memory of its own. Of
// a line longer than max it returns the beginning, and cut is true. The last
// line need not have a line break. After it comes io.EOF, or the error of the
// stream.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		if room := l.max + len("\r\n") - len(line); len(part) > room {
			part, cut = part[:room], true
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && len(line) == 0 {
			return nil, false, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > l.max {
			line, cut = line[:l.max], true
		}
		return line, cut, nil
	}
}

// looksLikeMessage tells a JSON-RPC message from other output by how it begins.
func looksLikeMessage(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	return len(line) > 0 && (line[0] == '{' || line[0] == '[')
}
