// Package trust says whose tokens Envoy may believe by itself, and tells when
// that changes: bearer tokens of the issuers that the gateway trusts, and session
// tokens of the keys that the external processor publishes. It knows nothing of
// what Envoy makes of them.
package trust

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// Issuers are the issuers of bearer tokens. *authn.Gate is one.
type Issuers interface {
	TrustedIssuers() ([]authn.TrustedIssuer, error)
	Changes(ctx context.Context) <-chan struct{}
}

// Sessions are the public keys of session tokens. *keys.Published is one.
type Sessions interface {
	KeySet() []byte
	Run(ctx context.Context, changed func()) error
}

// Source joins both. It is safe for use by several goroutines.
type Source struct {
	issuers  Issuers
	sessions Sessions
	changes  adapters.Notifier
}

// New is a Source whose changes are told while Run works.
func New(issuers Issuers, sessions Sessions) *Source {
	return &Source{issuers: issuers, sessions: sessions}
}

// Trust is whose tokens may be believed now.
func (s *Source) Trust() (translate.Trust, error) {
	issuers, err := s.issuers.TrustedIssuers()
	return translate.Trust{Issuers: issuers, SessionKeys: s.sessions.KeySet()}, err
}

// Changes receives after Trust has changed, as adapters.Store.Changes does.
func (s *Source) Changes(ctx context.Context) <-chan struct{} { return s.changes.Changes(ctx) }

// Run keeps the keys of sessions current, and tells of changes, until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sessions.Run(ctx, s.changes.Notify) })
	group.Go(func() error {
		issuers := s.issuers.Changes(ctx)
		// What changed before this was not told.
		s.changes.Notify()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-issuers:
				s.changes.Notify()
			}
		}
	})
	return group.Wait()
}
