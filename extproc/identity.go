package main

import (
	"context"
	"log/slog"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
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
