// Package jwks keeps the public keys of token issuers: it finds out where an
// issuer publishes them, fetches them, and holds on to them. It knows nothing
// of what tokens say.
package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	// DefaultRefresh is what Options.Refresh means when it is zero.
	DefaultRefresh = 5 * time.Minute

	// firstRetry doubles with each failure up to lastRetry.
	firstRetry, lastRetry = time.Second, time.Minute
	// fetchTimeout bounds one fetch: discovery and keys.
	fetchTimeout = 10 * time.Second
	// patience is how long a request waits for a fetch.
	patience = 5 * time.Second
	// demandBurst fetches can be demanded at once, and one more every
	// demandEvery, by tokens that name unknown keys: anybody can send such.
	demandBurst = 3
	demandEvery = 10 * time.Second
)

// ErrUnavailable is in the chain of the error for keys that could not be
// fetched, so that it cannot be told whether the issuer has them.
var ErrUnavailable = errors.New("the issuer's keys are unavailable")

// Options say whose keys a Source keeps.
type Options struct {
	// Issuer is the issuer's URL, under which its OpenID configuration is
	// found, which must name it exactly. Required.
	Issuer string
	// URL is where the keys are. Empty means where the issuer's OpenID
	// configuration says.
	URL string
	// Client fetches. Required: see NewClient.
	Client *http.Client
	// Refresh is how often the keys are fetched, and so the longest that a key
	// which the issuer took back is still accepted. Zero means DefaultRefresh.
	Refresh time.Duration
	// Log is told when keys change and when fetching fails. Required.
	Log *slog.Logger
}

// Source keeps the keys of one issuer. While the issuer cannot be reached, the
// keys fetched last stay. It is safe for use by several goroutines.
type Source struct {
	opt     Options
	changes adapters.Notifier
	// wanted asks Run for a fetch ahead of time.
	wanted chan struct{}

	mu  sync.Mutex
	set *Set
	// err is how the last fetch ended.
	err error
	// inFlight means that a fetch was demanded or is being made; fetched is
	// closed, and replaced, when one ends.
	inFlight bool
	fetched  chan struct{}
	// demands is how many fetches may still be demanded, as of demandsAt.
	demands   int
	demandsAt time.Time
}

// New is a Source that holds no keys until Run fetches them.
func New(opt Options) *Source {
	if opt.Refresh <= 0 {
		opt.Refresh = DefaultRefresh
	}
	return &Source{
		opt:      opt,
		wanted:   make(chan struct{}, 1),
		inFlight: true, // Run begins with a fetch.
		fetched:  make(chan struct{}),
		demands:  demandBurst,
	}
}

// Set is the keys now. It is nil until a fetch has succeeded.
func (s *Source) Set() *Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

// Changes receives after Set has changed, as adapters.Store.Changes does.
func (s *Source) Changes(ctx context.Context) <-chan struct{} { return s.changes.Changes(ctx) }

// Find returns the keys that may have made a signature of that algorithm under
// that key id: see Set.Find. Where there are none it waits for a fetch, which
// all who wait share, unless there were too many of late. No keys and no error
// mean that the issuer has no such key; ErrUnavailable, that it cannot be told.
func (s *Source) Find(ctx context.Context, algorithm, id string) ([]Key, error) {
	if found := s.Set().Find(algorithm, id); found != nil {
		return found, nil
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.set.Find(algorithm, id)
	if found == nil && s.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, s.err)
	}
	return found, nil
}

// await returns once a fetch has ended that was demanded here or was being made
// already, and at once where none may be demanded.
func (s *Source) await(ctx context.Context) error {
	s.mu.Lock()
	if !s.inFlight && !s.mayDemand() {
		s.mu.Unlock()
		return nil
	}
	if !s.inFlight {
		s.inFlight = true
		s.wanted <- struct{}{}
	}
	fetched := s.fetched
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-fetched:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for a fetch: %w", ErrUnavailable, ctx.Err())
	}
}

// mayDemand takes one of the demands that are left.
func (s *Source) mayDemand() bool {
	now := time.Now()
	if s.demands < demandBurst {
		gained := int(now.Sub(s.demandsAt) / demandEvery)
		s.demands = min(demandBurst, s.demands+gained)
		s.demandsAt = s.demandsAt.Add(time.Duration(gained) * demandEvery)
	}
	if s.demands == 0 {
		return false
	}
	if s.demands == demandBurst {
		s.demandsAt = now
	}
	s.demands--
	return true
}

// Run fetches the keys at once, every Options.Refresh, sooner after a failure,
// and when unknown keys are asked for, until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	defer s.opt.Client.CloseIdleConnections()
	retry := firstRetry
	for {
		wait := s.opt.Refresh
		if err := s.refresh(ctx); err != nil {
			wait = min(retry, s.opt.Refresh)
			retry = min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		due := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			due.Stop()
			return nil
		case <-s.wanted:
			due.Stop()
		case <-due.C:
		}
	}
}

// refresh fetches the keys, and tells whoever waits how that ended.
func (s *Source) refresh(ctx context.Context) error {
	s.mu.Lock()
	s.inFlight = true
	s.mu.Unlock()

	fetching, cancel := context.WithTimeout(ctx, fetchTimeout)
	set, err := fetch(fetching, s.opt)
	cancel()

	s.mu.Lock()
	// A demand that came while this fetch was being prepared is served by it.
	select {
	case <-s.wanted:
	default:
	}
	failed, changed := s.err == nil && err != nil, err == nil && !s.set.equal(set)
	s.err, s.inFlight = err, false
	if changed {
		s.set = set
	}
	kept := s.set.Len()
	close(s.fetched)
	s.fetched = make(chan struct{})
	s.mu.Unlock()

	switch {
	case failed && ctx.Err() == nil:
		s.opt.Log.Warn("the issuer's keys cannot be fetched; those fetched before stay in use",
			"issuer", s.opt.Issuer, "keys", kept, "error", err)
	case changed:
		s.opt.Log.Info("the issuer's keys were fetched", "issuer", s.opt.Issuer, "keys", kept)
		s.changes.Notify()
	}
	return err
}
