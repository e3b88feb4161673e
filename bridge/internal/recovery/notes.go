package recovery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrEnded is the error for notes on a session that was ended for good.
var ErrEnded = errors.New("the session was ended")

// Notes are what was set in a session since it began.
type Notes struct {
	// Ended says that it was ended for good.
	Ended bool `json:"-"`
	// Holder is the bridge that goes on with the session, in words of its own.
	// Empty means that none has said so.
	Holder string `json:"holder,omitempty"`
	// Version is the protocol version that was agreed on.
	Version string `json:"version,omitempty"`
	// LogLevel is the newest level that the client set, or empty.
	LogLevel string `json:"logLevel,omitempty"`
	// Resources are the URIs that the client has subscribed to.
	Resources []string `json:"resources,omitempty"`
	// Upstream is what a server elsewhere calls the session now; empty while that
	// is as the id says.
	Upstream string `json:"upstream,omitempty"`
}

// Edition tells the notes on a session from all others that there were. The zero
// value is that of none.
type Edition struct {
	file    uint64
	changed int64
}

// The files of a session: its notes, and that it was ended for good, which is in
// one of its own so that nobody who writes notes at the same time can undo it.
const (
	notesSuffix = ".json"
	endedSuffix = ".ended"
)

// Note replaces the notes on a session. They are there when it returns, even
// after a crash of this process. The error is ErrEnded where the session was
// ended.
func (k *Keeper) Note(id string, n Notes) (Edition, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return Edition{}, fmt.Errorf("noting a session: %w", err)
	}
	file := k.file(id, notesSuffix)
	// Others may write at the same time.
	draft := file + "." + strings.ToLower(rand.Text()[:8])
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return Edition{}, fmt.Errorf("noting a session: %w", err)
	}
	edition := editionOf(draft)
	if err := os.Rename(draft, file); err != nil {
		return Edition{}, fmt.Errorf("noting a session: %w", err)
	}
	if k.Ended(id) {
		// Who ended it may have looked before these were there.
		return Edition{}, errors.Join(ErrEnded, remove(file))
	}
	return edition, nil
}

// End makes sure that the session is never gone on with, and that whoever holds
// it sees another Edition.
func (k *Keeper) End(id string) error {
	f, err := os.OpenFile(k.file(id, endedSuffix), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return remove(k.file(id, notesSuffix))
}

// Edition is that of the notes as they are now.
func (k *Keeper) Edition(id string) Edition { return editionOf(k.file(id, notesSuffix)) }

func editionOf(file string) Edition {
	var stat syscall.Stat_t
	if err := syscall.Stat(file, &stat); err != nil {
		return Edition{}
	}
	return Edition{file: stat.Ino, changed: stat.Mtim.Nano()}
}

// Notes are the notes on a session; the zero value where there are none.
func (k *Keeper) Notes(id string) (Notes, error) {
	if k.Ended(id) {
		return Notes{Ended: true}, nil
	}
	var n Notes
	text, err := os.ReadFile(k.file(id, notesSuffix))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It may have been ended since.
		return Notes{Ended: k.Ended(id)}, nil
	case err == nil:
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return Notes{}, fmt.Errorf("reading the notes on a session: %w", err)
	}
	return n, nil
}

// Ended reports whether a session was ended for good. Where that cannot be
// known, it was.
func (k *Keeper) Ended(id string) bool {
	_, err := os.Lstat(k.file(id, endedSuffix))
	return !errors.Is(err, fs.ErrNotExist)
}

// file is where something is noted of a session: ids are secrets, so their
// digest names it.
func (k *Keeper) file(id, suffix string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(k.dir, hex.EncodeToString(sum[:16])+suffix)
}

// Sweep removes the notes on sessions that are too old to be gone on with.
func (k *Keeper) Sweep(now time.Time) error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("sweeping notes on sessions: %w", err)
	}
	var faults []error
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || now.Sub(info.ModTime()) <= Lifetime {
			continue
		}
		faults = append(faults, remove(filepath.Join(k.dir, entry.Name())))
	}
	return errors.Join(faults...)
}

// remove removes a file that others may have removed.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing notes on a session: %w", err)
	}
	return nil
}
