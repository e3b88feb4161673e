package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/exchange"
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
func openIdentities(cfg Config, reg prometheus.Registerer, log *slog.Logger) (decide.Identities, func(context.Context) error, error) {
	if cfg.IdentityKeys == "" {
		return nil, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
	}
	address, err := authn.ParseAddress(cfg.PublicURL)
	if err != nil {
		return nil, nil, err
	}
	ring, err := openRing(keys.Identity, cfg.IdentityKeys, cfg.IdentityJWKS, log)
	if err != nil {
		return nil, nil, err
	}
	reg.MustRegister(keyAge("mooring_identity_key_age_seconds", "what tells servers who calls", ring))
	return identity.New(identity.Config{
		Ring: ring, Issuer: address.URL(), Now: time.Now,
		Resource: func(adapter string) string { return address.Resource(adapter).URI },
	}), ring.Run, nil
}

// openRing reads the keys in dir, and publishes their public halves in the file
// where that is not empty.
func openRing(purpose keys.Purpose, dir, file string, log *slog.Logger) (*keys.Ring, error) {
	ring, err := keys.Open(purpose, dir, log)
	if err != nil {
		return nil, fmt.Errorf("opening %s keys: %w", purpose, err)
	}
	if file == "" {
		return ring, nil
	}
	return ring, ring.Publish(file)
}

// newExchanger exchanges tokens of who is judged by auth.yaml. In development
// mode there are no tokens, and it is nil.
func newExchanger(who authn.Authenticator) decide.Exchanger {
	gate, is := who.(*authn.Gate)
	if !is {
		return nil
	}
	return exchange.New(gate, time.Now)
}
