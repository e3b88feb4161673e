package audit

import (
	"errors"
	"fmt"
	"os"
)

// Result is what Verify found.
type Result struct {
	// Lines is how many there are, and Last the number of the last one.
	Lines, Last int64
	// Hash is the digest of the last line: who keeps it elsewhere can tell later
	// that no line at the end was taken away.
	Hash string
	// Complete says that the chain begins with the first line ever written.
	Complete bool
}

// Verify follows the chain through files, the oldest first. Its error names the
// first line that is not as it was written.
func Verify(paths ...string) (Result, error) {
	var result Result
	for i, path := range paths {
		c, err := readFile(path)
		switch {
		case err != nil:
			return result, fmt.Errorf("%s: %w", path, err)
		case c.cut:
			return result, fmt.Errorf("%s: the last line is cut off", path)
		case c.lines == 0:
			continue
		case i > 0 && result.Lines > 0 && c.begin != result.Hash:
			return result, fmt.Errorf("%s: it does not go on from the file before", path)
		case result.Lines == 0:
			result.Complete = c.begin == ""
		}
		result.Lines, result.Last, result.Hash = result.Lines+c.lines, c.last, c.hash
	}
	if len(paths) == 0 {
		return result, errors.New("there is no file to verify")
	}
	return result, nil
}

func readFile(path string) (chain, error) {
	file, err := os.Open(path)
	if err != nil {
		return chain{}, err
	}
	defer file.Close()
	return read(file)
}
