// Package session makes the ids of legacy sessions that clients hold, and reads
// them again. An id is a signed token that carries everything that is known of
// the session, so that no replica keeps a table and none is lost by a restart.
// The package knows nothing of HTTP and decides nothing about who may use an
// adapter.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/recent"
)

// ClientID is the session id that a client holds: a signed token.
type ClientID string

// UpstreamID is the session id that an upstream server minted.
type UpstreamID string

// Endpoint is where a session lives, as Envoy's stateful_session filter spells
// it: base64 of the address.
type Endpoint string

// Issuer is iss of every session token.
const Issuer = contract.SessionIssuer

// ErrUnknown is the error for an id that is no session of this principal at
// this adapter. Clients must not learn more; the *Refused in its chain says why
// to metrics.
var ErrUnknown = errors.New("unknown session")

// Refused is why an id was not accepted.
type Refused string

// The reasons.
const (
	RefusedToken     Refused = "session_token"
	RefusedExpired   Refused = "session_expired"
	RefusedAdapter   Refused = "session_adapter"
	RefusedPrincipal Refused = "session_principal"
)

// Error implements error.
func (r Refused) Error() string { return string(r) }

// Unwrap makes every Refused an ErrUnknown.
func (r Refused) Unwrap() error { return ErrUnknown }

// Birth is what is known when a session is born.
type Birth struct {
	// Adapter and PolicyVersion are those of the route.
	Adapter       adapters.UID
	PolicyVersion string
	// Endpoint is the replica that answered.
	Endpoint Endpoint
	// Upstream is the id that it minted. See Valid.
	Upstream UpstreamID
	// Principal is who asked.
	Principal adapters.Principal
	// Role is the role that granted access. Empty for the creator, who needs
	// none.
	Role string
}

// Session is an open session.
type Session struct {
	Upstream UpstreamID
	Endpoint Endpoint
	// Hash stands for the session in logs: logging.SessionHash of Upstream, which
	// bridges know too.
	Hash string
}

// Ring signs and verifies. *keys.Ring is one.
type Ring interface {
	Sign(payload []byte) (string, error)
	Verify(token string) (payload []byte, keyID string, err error)
	Holds(keyID string) bool
}

// Codec mints and opens session ids. It is safe for use by several goroutines.
type Codec struct {
	ring     Ring
	ttl      time.Duration
	now      func() time.Time
	verified *recent.Cache[ClientID, verified]
}

// claims are the token's payload. Envoy's own checks read them by these names,
// which contract holds, and copies all of them for each request: there is none
// that nobody needs.
type claims struct {
	Issuer        string     `json:"iss"`
	Binding       string     `json:"at"`
	Endpoint      Endpoint   `json:"ep"`
	Upstream      UpstreamID `json:"up"`
	Subject       string     `json:"usub"`
	SubjectIssuer string     `json:"uiss"`
	Role          string     `json:"need"`
	PrincipalHash string     `json:"ph"`
	Hash          string     `json:"sid"`
	Expiry        int64      `json:"exp"`
}

// verified is a token whose signature was good.
type verified struct {
	claims claims
	keyID  string
}

// maxVerified bounds how many tokens are remembered as good: about 2 KB each.
const maxVerified = 8192

// NewCodec makes a Codec whose sessions end after ttl. now is the clock.
func NewCodec(ring Ring, ttl time.Duration, now func() time.Time) *Codec {
	return &Codec{ring: ring, ttl: ttl, now: now, verified: recent.New[ClientID, verified](maxVerified)}
}

// Mint makes the id for a session that was just born, and what stands for it in
// logs. That is in the id, so that Envoy can tell it too.
func (c *Codec) Mint(b Birth) (id ClientID, hash string, err error) {
	hash = logging.SessionHash(string(b.Upstream))
	payload, err := json.Marshal(claims{
		Issuer: Issuer, Binding: contract.SessionBinding(b.Adapter, b.PolicyVersion),
		Endpoint: b.Endpoint, Upstream: b.Upstream,
		Subject: b.Principal.Subject, SubjectIssuer: b.Principal.Issuer, PrincipalHash: b.Principal.Hash(),
		Role: b.Role, Hash: hash, Expiry: c.now().Add(c.ttl).Unix(),
	})
	if err != nil {
		return "", "", fmt.Errorf("encoding session token: %w", err)
	}
	token, err := c.ring.Sign(payload)
	if err != nil {
		return "", "", fmt.Errorf("minting session: %w", err)
	}
	return ClientID(token), hash, nil
}

// Open returns the session of that id, provided that it is one of who at the
// adapter. Every other id is ErrUnknown.
func (c *Codec) Open(id ClientID, adapter adapters.UID, who adapters.Principal) (Session, error) {
	v, err := c.verify(id)
	if err != nil {
		return Session{}, err
	}
	switch {
	case c.now().Unix() >= v.claims.Expiry:
		c.verified.Delete(id)
		return Session{}, RefusedExpired
	case !contract.BoundTo(v.claims.Binding, adapter):
		return Session{}, RefusedAdapter
	case v.claims.Subject != who.Subject || v.claims.SubjectIssuer != who.Issuer:
		return Session{}, RefusedPrincipal
	}
	return Session{Upstream: v.claims.Upstream, Endpoint: v.claims.Endpoint, Hash: v.claims.Hash}, nil
}

// verify checks the signature, or remembers that it was checked. A key that
// left the ring takes what was remembered with it.
func (c *Codec) verify(id ClientID) (verified, error) {
	if v, ok := c.verified.Get(id); ok && c.ring.Holds(v.keyID) {
		return v, nil
	}
	payload, keyID, err := c.ring.Verify(string(id))
	if err != nil {
		return verified{}, RefusedToken
	}
	v := verified{keyID: keyID}
	if err := json.Unmarshal(payload, &v.claims); err != nil {
		return verified{}, RefusedToken
	}
	cl := v.claims
	if cl.Issuer != Issuer || cl.Binding == "" || cl.Endpoint == "" || !cl.Upstream.Valid() || cl.Subject == "" || cl.Hash == "" {
		return verified{}, RefusedToken
	}
	c.verified.Put(id, v)
	return v, nil
}

// maxUpstreamID bounds what a server may mint: it goes into every token.
const maxUpstreamID = 1024

// Valid reports whether u is what the protocol allows as a session id, visible
// ASCII, and of a bearable length.
func (u UpstreamID) Valid() bool {
	if u == "" || len(u) > maxUpstreamID {
		return false
	}
	for i := range len(u) {
		if u[i] < 0x21 || u[i] > 0x7e {
			return false
		}
	}
	return true
}
