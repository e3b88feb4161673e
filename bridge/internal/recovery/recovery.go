// Package recovery makes session ids that say enough about a session to begin it
// anew after its process, or the whole bridge, is gone; and remembers on disk
// what an id cannot: that a session was ended for good, and what was set since it
// began. It knows nothing of processes and of HTTP.
package recovery

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mooring-mcp/mooring/adapters/keys"
)

const (
	// Lifetime is how long after its birth a session can be gone on with.
	Lifetime = 24 * time.Hour
	// maxID is the longest id: gateways put it into tokens of their own.
	maxID = 1000
	// maxRecord bounds what an id holds, once it is inflated.
	maxRecord = 64 << 10

	purpose = "session id"
)

// Session is what an id says.
type Session struct {
	// Initialize are the params of the client's initialize request, as JSON.
	Initialize json.RawMessage `json:"i"`
	// Principal is who it belongs to, empty where the gateway does not say.
	Principal string `json:"p,omitempty"`
	// Born is when it began.
	Born time.Time `json:"b"`
	// Upstream is what the server calls the session, where it is one elsewhere.
	Upstream string `json:"u,omitempty"`
}

// Notes are what was set in a session since it began.
type Notes struct {
	// Ended says that it was ended for good.
	Ended bool `json:"ended,omitempty"`
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

// Keeper makes and reads ids, and keeps notes.
type Keeper struct {
	sealer *keys.Sealer
	dir    string
}

// Open returns a Keeper whose notes are in dir, which is made where it is
// missing.
func Open(key []byte, dir string) (*Keeper, error) {
	sealer, err := keys.NewSealer(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for notes on sessions: %w", err)
	}
	return &Keeper{sealer: sealer, dir: dir}, nil
}

// Mint makes an id for the session: visible ASCII, unguessable. For a session
// whose initialize is too large for one it makes an id that says nothing.
func (k *Keeper) Mint(s Session) string {
	text, err := json.Marshal(s)
	if err != nil {
		return rand.Text()
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return rand.Text()
	}
	_, err = w.Write(text)
	if errors.Join(err, w.Close()) != nil {
		return rand.Text()
	}
	id := k.sealer.Seal(small.Bytes(), purpose)
	if len(id) > maxID {
		return rand.Text()
	}
	return id
}

// Read returns what an id says, if the session can be gone on with: the id was
// minted with this key, is not too old, and was not ended for good.
func (k *Keeper) Read(id string, now time.Time) (Session, Notes, bool) {
	if len(id) > maxID {
		return Session{}, Notes{}, false
	}
	small, err := k.sealer.Open(id, purpose)
	if err != nil {
		return Session{}, Notes{}, false
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), maxRecord))
	var s Session
	if err != nil || json.Unmarshal(text, &s) != nil || now.Sub(s.Born) > Lifetime {
		return Session{}, Notes{}, false
	}
	notes, err := k.notes(id)
	if err != nil || notes.Ended {
		// Notes that cannot be read may say that it has ended.
		return Session{}, Notes{}, false
	}
	return s, notes, true
}

// Note replaces the notes on a session. They are there when it returns, even
// after a crash of this process.
func (k *Keeper) Note(id string, n Notes) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("noting a session: %w", err)
	}
	file := k.file(id)
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("noting a session: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("noting a session: %w", err)
	}
	return nil
}

func (k *Keeper) notes(id string) (Notes, error) {
	text, err := os.ReadFile(k.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return Notes{}, nil
	}
	var n Notes
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	return n, err
}

// file is where the notes on a session are: ids are secrets, so their digest
// names it.
func (k *Keeper) file(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(k.dir, hex.EncodeToString(sum[:16])+".json")
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
		if err := os.Remove(filepath.Join(k.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, fmt.Errorf("sweeping notes on sessions: %w", err))
		}
	}
	return errors.Join(faults...)
}
