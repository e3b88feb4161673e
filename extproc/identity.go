package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/identity"
)

// openIdentity is who may send requests, by auth.yaml, or by development mode
// where cfg names none, and what keeps that current until its context ends.
func openIdentity(cfg Config, log *slog.Logger) (authn.Authenticator, func(context.Context) error, error) {
	if cfg.Auth == "" {
		return authn.Development{}, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
	}
	gate, err := authn.Open(authn.Options{
		File: cfg.Auth, PublicURL: cfg.PublicURL, Keys: apikeys.NewKeyring(cfg.APIKeys, nil), Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return gate, gate.Run, nil
}

// openIdentities is what tells servers who calls, and what keeps its keys
// current until its context ends. Nil where cfg names no keys for it.
func openIdentities(cfg Config, log *slog.Logger) (decide.Identities, func(context.Context) error, error) {
	if cfg.IdentityKeys == "" {
		return nil, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
	}
	address, err := authn.ParseAddress(cfg.PublicURL)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keys.Open(keys.Identity, cfg.IdentityKeys, log)
	if err != nil {
		return nil, nil, fmt.Errorf("opening identity keys: %w", err)
	}
	if cfg.IdentityJWKS != "" {
		if err := ring.Publish(cfg.IdentityJWKS); err != nil {
			return nil, nil, err
		}
	}
	return identity.New(identity.Config{
		Ring: ring, Issuer: address.URL(), Now: time.Now,
		Resource: func(adapter string) string { return address.Resource(adapter).URI },
	}), ring.Run, nil
}
