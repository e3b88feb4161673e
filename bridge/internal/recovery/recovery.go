// Package recovery makes session ids that say enough about a session to begin it
// anew after its process, or the whole bridge, is gone; and remembers on disk
// what an id cannot: that a session was ended for good, and what was set since it
// began. It knows nothing of processes and of HTTP.
package recovery

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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

// Keeper makes and reads ids, and keeps notes.
type Keeper struct {
	sealer *keys.Sealer
	dir    string
}

// Open returns a Keeper whose notes are in dir, which is made where it is
// missing. Several may share it.
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
	notes, err := k.Notes(id)
	if err != nil || notes.Ended {
		// Notes that cannot be read may say that it has ended.
		return Session{}, Notes{}, false
	}
	return s, notes, true
}
