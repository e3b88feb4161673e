// Package stdio runs MCP servers that speak JSON-RPC over their standard input
// and output: it starts them, frames their lines, keeps what they say on
// standard error, and ends them with everything that they started. It does not
// know what the messages mean. It is for Linux.
package stdio

import (
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

// Command says what to run and within which bounds.
type Command struct {
	// Name is the program: a path, or a name that PATH leads to. A relative
	// path is taken from Dir.
	Name string
	// Args are its arguments, without the name.
	Args []string
	// Env is its whole environment, "NAME=value" each.
	Env []string
	// Dir is its working directory. Empty means the bridge's own.
	Dir string
	// MaxLine is the longest message in bytes. Zero means 16 MiB.
	MaxLine int
	// LogLines is how many lines of each child's are logged in a second, after the
	// first ten times as many; more are counted only. Zero means 50.
	LogLines int
	// SendTimeout is how long the child may take to read a message. Zero means
	// 30 s.
	SendTimeout time.Duration
	// Mask takes secrets out of what the children write. Nil takes out nothing.
	Mask *mask.Mask
	// Log gets what the children write to standard error, and what they write to
	// standard output without it being a message. Required.
	Log *slog.Logger
}

// The grace that an ending child has: after its input was closed, until it is
// told to end; and from there until it is killed.
const (
	closeGrace = 1500 * time.Millisecond
	killGrace  = 2 * time.Second
)

var (
	// ErrCommandNotFound: the program cannot be executed at all. It is wrapped
	// with the reason.
	ErrCommandNotFound = errors.New("command not found")
	// ErrEnded: the child has ended, or is about to.
	ErrEnded = errors.New("the server process has ended")
	// ErrNotReading: the child did not read its input in time.
	ErrNotReading = errors.New("the server process does not read its input")
)

func (c Command) withDefaults() Command {
	if c.MaxLine == 0 {
		c.MaxLine = 16 << 20
	}
	if c.LogLines == 0 {
		c.LogLines = 50
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = 30 * time.Second
	}
	return c
}

// path is where the program is.
func (c Command) path() (string, error) {
	if !strings.Contains(c.Name, "/") {
		return exec.LookPath(c.Name)
	}
	if filepath.IsAbs(c.Name) || c.Dir == "" {
		return c.Name, nil
	}
	return filepath.Join(c.Dir, c.Name), nil
}
