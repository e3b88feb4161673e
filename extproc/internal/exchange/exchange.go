// Package exchange gets tokens for servers in the place of their clients' own,
// and keeps them while they are fresh. It decides nothing about who may have
// one: the issuer does.
package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/extproc/internal/recent"
)

const (
	// margin is how long before its end a token is no longer handed out, and the
	// shortest time that one is kept.
	margin = 30 * time.Second
	// maxTokens bounds how many are kept, of a few KB each.
	maxTokens = 4 << 10
)

// Issuer exchanges tokens. *authn.Gate is one.
type Issuer interface {
	Exchange(ctx context.Context, from, token string, t authn.Target) (authn.Exchanged, error)
}

// Exchanger exchanges tokens, each once while it is fresh, however many ask. It
// is safe for use by several goroutines.
type Exchanger struct {
	issuer Issuer
	now    func() time.Time
	known  *recent.Cache[[sha256.Size]byte, authn.Exchanged]
	flight singleflight.Group
}

// New is an Exchanger at the issuer, by the clock now.
func New(issuer Issuer, now func() time.Time) *Exchanger {
	return &Exchanger{issuer: issuer, now: now, known: recent.New[[sha256.Size]byte, authn.Exchanged](maxTokens)}
}

// Exchange is a token for t in the place of a verified one of the issuer from.
// The errors are those of Issuer.Exchange, or ctx's.
func (e *Exchanger) Exchange(ctx context.Context, from, token string, t authn.Target) (string, error) {
	// Digests are kept, and not the clients' tokens.
	text, err := json.Marshal([]any{from, token, t})
	if err != nil {
		return "", fmt.Errorf("exchanging a token: %w", err)
	}
	key := sha256.Sum256(text)
	if known, found := e.known.Get(key); found && e.now().Add(margin).Before(known.Expires) {
		return known.Token, nil
	}
	// Who gives up does not take the others along.
	shared := context.WithoutCancel(ctx)
	done := e.flight.DoChan(string(key[:]), func() (any, error) {
		exchanged, err := e.issuer.Exchange(shared, from, token, t)
		if err == nil && e.now().Add(margin).Before(exchanged.Expires) {
			e.known.Put(key, exchanged)
		}
		return exchanged.Token, err
	})
	select {
	case result := <-done:
		if result.Err != nil {
			return "", result.Err
		}
		text, _ := result.Val.(string)
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
