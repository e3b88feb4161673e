package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
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

// openIdentity is what cfg says: auth.yaml, or development mode where it names
// none.
// keyManagers is a role that may make API keys beside administrators.
func openIdentity(cfg Config, keyManagers string, log *slog.Logger) (identity, error) {
	if cfg.Auth == "" {
		return identity{
			authenticator: authn.Development{},
			run:           func(ctx context.Context) error { <-ctx.Done(); return nil },
		}, nil
	}
	gate, err := authn.Open(authn.Options{
		File: cfg.Auth, PublicURL: cfg.PublicURL, Keys: apikeys.NewKeyring(cfg.APIKeys, nil), Log: log,
	})
	if err != nil {
		return identity{}, err
	}
	return identity{
		authenticator: gate,
		gate:          gate,
		discovery:     gate.Handler(),
		apiKeys: func(a api.Authenticator) http.Handler {
			return apikeys.Handler(apikeys.Config{
				Store: apikeys.NewFile(cfg.APIKeys), Authenticator: a, ManagerRole: keyManagers, Log: log,
			})
		},
		run: gate.Run,
	}, nil
}

// identityKeys reads the keys that verify what tells servers who calls. Nil
// where cfg names none. The private halves are in no file that this program is
// told of.
func identityKeys(cfg Config) func() ([]byte, error) {
	if cfg.IdentityJWKS == "" {
		return nil
	}
	return func() ([]byte, error) { return keys.ReadPublished(cfg.IdentityJWKS) }
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
// and where cfg lets nothing pass.
func trustOf(cfg Config, gate *authn.Gate, log *slog.Logger) truster {
	if gate == nil || !cfg.Passing.any() {
		return nobody{}
	}
	return trust.New(gate, keys.NewPublished(cfg.Passing.SessionJWKS, log))
}

// nobody is trusted.
type nobody struct{}

func (nobody) Trust() (translate.Trust, error)         { return translate.Trust{}, nil }
func (nobody) Changes(context.Context) <-chan struct{} { return nil }
func (nobody) Run(ctx context.Context) error           { <-ctx.Done(); return nil }
