package authn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

const (
	// settle is how long the folder must be quiet before auth.yaml is read:
	// editors and Kubernetes' symlink swaps make several events.
	settle = 100 * time.Millisecond
	// lookAgain is how often it is read without an event.
	lookAgain = 30 * time.Second
)

// read makes settings of auth.yaml as it is now. Issuers that fetch as they did
// in old keep their keys, so that new settings do not depend on their issuers
// being there at that moment. It returns old where the file is the same.
func (g *Gate) read(old *settings) (*settings, error) {
	text, err := os.ReadFile(g.opt.File)
	if err != nil {
		return nil, fmt.Errorf("reading identity settings: %w", err)
	}
	if old != nil && old.text == string(text) {
		return old, nil
	}
	config, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("reading identity settings %s: %w", g.opt.File, err)
	}
	s := &settings{text: string(text), config: config, verifier: &verifier{issuers: map[string]*issuer{}, now: g.opt.Now}}
	for _, i := range config.Issuers {
		source := old.sourceLike(i)
		if source == nil {
			client, err := jwks.NewClient(i.CAFile)
			if err != nil {
				return nil, fmt.Errorf("reading identity settings: issuer %s: %w", i.URL, err)
			}
			source = jwks.New(jwks.Options{
				Issuer: i.URL, URL: i.JWKSURL, Client: client, Refresh: i.KeyRefresh, Log: g.opt.Log,
			})
		}
		prepared, err := newIssuer(i, source)
		if err != nil {
			return nil, fmt.Errorf("reading identity settings: issuer %s: %w", i.URL, err)
		}
		s.issuers = append(s.issuers, prepared)
		for _, name := range i.accepted() {
			s.verifier.issuers[name] = prepared
		}
	}
	s.scopes = advertisedScopes(s.issuers)
	return s, nil
}

// sourceLike is the source of an issuer that is fetched in the same way as i.
func (s *settings) sourceLike(i Issuer) *jwks.Source {
	if s == nil {
		return nil
	}
	for _, known := range s.issuers {
		if known.URL == i.URL && known.JWKSURL == i.JWKSURL && known.CAFile == i.CAFile && known.KeyRefresh == i.KeyRefresh {
			return known.keys
		}
	}
	return nil
}

// Run fetches the issuers' keys and reads auth.yaml again whenever it changes,
// until ctx ends. A file that cannot be used leaves everything as it is, and is
// logged.
func (g *Gate) Run(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching identity settings: %w", err)
	}
	defer watcher.Close()
	defer g.login.CloseIdleConnections()
	folder := filepath.Dir(g.opt.File)
	if err := watcher.Add(folder); err != nil {
		return fmt.Errorf("watching identity settings: %w", err)
	}
	fetching := &fetchers{gate: g, running: map[*jwks.Source]context.CancelFunc{}}
	defer fetching.stop()
	fetching.follow(ctx, g.current.Load())
	// What changed between Open and here.
	due := time.NewTimer(0)
	defer due.Stop()
	broken := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
			due.Reset(settle)
		case err := <-watcher.Errors:
			g.opt.Log.Warn("watching identity settings", "error", err)
			due.Reset(settle)
		case <-due.C:
			broken = g.reload(ctx, fetching, broken)
			// A no-op, unless the folder itself was replaced.
			if err := watcher.Add(folder); err != nil {
				g.opt.Log.Warn("watching identity settings", "error", err)
			}
			due.Reset(lookAgain)
		}
	}
}

// reload replaces the settings by what auth.yaml says now. It returns the error
// that it logged, or was the last to be logged, so that each is logged once.
func (g *Gate) reload(ctx context.Context, fetching *fetchers, broken string) string {
	old := g.current.Load()
	s, err := g.read(old)
	if err != nil {
		if broken != err.Error() {
			g.opt.Log.Error("identity settings cannot be used; those read before stay in use", "error", err)
		}
		return err.Error()
	}
	if s != old {
		fetching.follow(ctx, s)
		g.current.Store(s)
		g.opt.Log.Info("identity settings replaced", "issuers", len(s.issuers), "api_keys", s.config.APIKeys)
		g.changes.Notify()
	}
	return ""
}

// fetchers run the key sources of the settings in use. Only Gate.Run uses them.
type fetchers struct {
	gate    *Gate
	running map[*jwks.Source]context.CancelFunc
	group   sync.WaitGroup
}

// follow starts the sources of s that do not run and stops all others.
func (f *fetchers) follow(ctx context.Context, s *settings) {
	wanted := map[*jwks.Source]bool{}
	for _, i := range s.issuers {
		wanted[i.keys] = true
		if f.running[i.keys] == nil {
			f.start(ctx, i.keys)
		}
	}
	for source, cancel := range f.running {
		if !wanted[source] {
			cancel()
			delete(f.running, source)
		}
	}
}

func (f *fetchers) start(ctx context.Context, source *jwks.Source) {
	ctx, cancel := context.WithCancel(ctx)
	f.running[source] = cancel
	changes := source.Changes(ctx)
	f.group.Go(func() {
		if err := source.Run(ctx); err != nil {
			f.gate.opt.Log.Error("fetching issuers' keys", "error", err)
		}
	})
	f.group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changes:
				f.gate.changes.Notify()
			}
		}
	})
}

// stop ends all sources and waits for that.
func (f *fetchers) stop() {
	for _, cancel := range f.running {
		cancel()
	}
	f.group.Wait()
}
