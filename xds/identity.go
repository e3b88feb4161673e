package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

// identity is who may call the API, and how to become somebody who may.
type identity struct {
	authenticator authn.Authenticator
	// discovery and apiKeys are nil in development mode.
	discovery http.Handler
	apiKeys   func(api.Authenticator) http.Handler
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
