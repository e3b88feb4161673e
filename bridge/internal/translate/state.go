package translate

import (
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/mooring-mcp/mooring/adapters/keys"
)

// statePurpose is what request states are sealed for.
const statePurpose = "request state"

// States seals the request states of one bridge, which say where a call waits
// and whose it is. Only holders of the key can read or make one.
type States struct {
	sealer *keys.Sealer
	bridge string // unlike that of any other bridge, and of this one at its next start
}

// NewStates returns the States of this bridge. The key is the adapter's, so that
// its other bridges can say that a call waits elsewhere; nil means one of this
// bridge's own, which all others take for a forgery.
func NewStates(key []byte) (*States, error) {
	if key == nil {
		key = make([]byte, keys.SealingKeyBytes)
		// Since Go 1.24 this never fails.
		_, _ = rand.Read(key)
	}
	sealer, err := keys.NewSealer(key)
	if err != nil {
		return nil, err
	}
	return &States{sealer, rand.Text()}, nil
}

// place is where a call waits, and for whom.
type place struct {
	Bridge  string `json:"b"`
	Process string `json:"p"`
	Call    string `json:"c"`
	User    string `json:"u,omitempty"`
}

// The reasons for which nobody can go on with a call.
var (
	errForged    = errors.New("the requestState was not made by this server, or was changed")
	errUser      = errors.New("the requestState is another user's")
	errReplica   = errors.New("the call waits at another replica of this server, or at one that has ended, and cannot be gone on with here; call again without the requestState")
	errProcess   = errors.New("the call waits in another process of this server, or in one that has ended; call again without the requestState")
	errNotParked = errors.New("the call does not wait any more: it was gone on with, was cancelled, or waited for too long; call again without the requestState")
	errOther     = errors.New("the requestState is one of another call")
)

func (s *States) seal(p place) string {
	// Strings can always be written.
	text, _ := json.Marshal(p)
	return s.sealer.Seal(text, statePurpose)
}

// open returns where the call waits; an error where it is not here, or is not
// this user's.
func (s *States) open(state, user, process string) (call string, err error) {
	text, err := s.sealer.Open(state, statePurpose)
	var p place
	switch {
	case err != nil || json.Unmarshal(text, &p) != nil:
		return "", errForged
	case p.User != user:
		return "", errUser
	case p.Bridge != s.bridge:
		return "", errReplica
	case p.Process != process:
		return "", errProcess
	}
	return p.Call, nil
}
