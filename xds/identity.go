package main

import (
	"context"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/trust"
)

// identity is who may call the API, and how to become somebody who may.
type identity struct {
	authenticator authn.Authenticator
	// discovery and apiKeys are nil in development mode.
	discovery http.Handler
	apiKeys   func(api.Authenticator) http.Handler
	// gate is nil in development mode.
	gate *authn.Gate
	// run keeps it current until ctx ends.
	run func(ctx context.Context) error
}

// openIdentity is what auth.yaml says, or development mode where none is named.
// API keys are checked by the one and kept in the other.
func (b *base) openIdentity(checked authn.KeyChecker, kept apikeys.Store) (identity, error) {
	if b.cfg.Auth == "" {
		return identity{authenticator: authn.Development{}, run: idle}, nil
	}
	gate, err := authn.Open(authn.Options{File: b.cfg.Auth, PublicURL: b.cfg.PublicURL, Keys: checked, Log: b.log})
	if err != nil {
		return identity{}, err
	}
	return identity{
		authenticator: gate,
		gate:          gate,
		discovery:     gate.Handler(),
		apiKeys: func(a api.Authenticator) http.Handler {
			return apikeys.Handler(apikeys.Config{
				// This role may make keys beside administrators.
				Store: kept, Authenticator: a, ManagerRole: b.allowed.Current().Roles.APIKeys, Log: b.log,
			})
		},
		run: gate.Run,
	}, nil
}

// checkExchange is adapters.ServiceConfig.Check for what needs an issuer that
// exchanges tokens.
func (i identity) checkExchange(spec adapters.Spec) []adapters.Fault {
	if !spec.UpstreamAuth.Is(adapters.UpstreamExchange) || i.gate != nil && i.gate.Exchanges() {
		return nil
	}
	return []adapters.Fault{{
		Pointer: "/upstreamAuth/mode", Message: "No issuer of this gateway exchanges tokens: tokenExchange in auth.yaml says which does.",
	}}
}

// truster is whose tokens Envoy may believe by itself.
type truster interface {
	snapshot.Truster
	// Run keeps it current until ctx ends.
	Run(ctx context.Context) error
}

// trustOf is nobody where there are no tokens to believe: in development mode,
// and where Envoy is to let nothing pass by itself.
func trustOf(r runtime, p passing) truster {
	if r.who.gate == nil || r.sessions == nil || p.counts() {
		return nobody{}
	}
	return trust.New(r.who.gate, r.sessions)
}

// nobody is trusted.
type nobody struct{}

func (nobody) Trust() (translate.Trust, error)         { return translate.Trust{}, nil }
func (nobody) Changes(context.Context) <-chan struct{} { return nil }
func (nobody) Run(ctx context.Context) error           { return idle(ctx) }
