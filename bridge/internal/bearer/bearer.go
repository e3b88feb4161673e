// Package bearer gets the tokens by which this workload proves to a remote
// server who it is: from a file that somebody keeps fresh, or from an
// authorization server in exchange for such a file. It knows nothing of MCP, and
// never logs a token.
package bearer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Source gives the token to send now.
type Source interface {
	// Token returns a token that is good as far as anybody knows. Its error may
	// be logged: it holds no token.
	Token(ctx context.Context) (string, error)
	// Refused is told of a token that a server did not take, so that the next one
	// is another where that is possible. It reports whether it may be.
	Refused(token string) bool
}

// maxToken is the longest token in bytes.
const maxToken = 32 << 10

// errNoToken is for text that cannot be a token: RFC 6750 allows visible ASCII.
var errNoToken = errors.New("it holds no token of one line")

// File is a token in a file, which is read again whenever the file changes.
type File struct {
	path string

	mu    sync.Mutex
	seen  stamp
	token string
}

// stamp tells one version of a file from another. Kubernetes replaces mounted
// files by changing a link, which shows in what os.Stat finds behind it.
type stamp struct {
	modified time.Time
	size     int64
}

// NewFile returns the token in the file, which need not be there yet.
func NewFile(path string) *File { return &File{path: path} }

// Token implements Source.
func (f *File) Token(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return "", fmt.Errorf("reading the token's file: %w", err)
	}
	now := stamp{info.ModTime(), info.Size()}
	if f.token != "" && f.seen == now {
		return f.token, nil
	}
	token, err := readToken(f.path)
	if err != nil {
		return "", fmt.Errorf("reading the token's file: %w", err)
	}
	f.token, f.seen = token, now
	return token, nil
}

// Refused implements Source: the file may have been replaced by one that looks
// the same, so it is read again.
func (f *File) Refused(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token == token {
		f.token = ""
	}
	now, err := readToken(f.path)
	return err == nil && now != token
}

func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	if err != nil {
		return "", err
	}
	return checkToken(strings.TrimSpace(string(text)))
}

func checkToken(token string) (string, error) {
	if token == "" || len(token) > maxToken {
		return "", errNoToken
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return "", errNoToken
		}
	}
	return token, nil
}
