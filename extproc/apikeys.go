package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/apikeys/feed"
	"github.com/mooring-mcp/mooring/adapters/mtls"
)

// followAPIKeys is what keeps the file of API keys current until its context ends.
// Before it returns the file is there: without it, all keys would be unknown.
func followAPIKeys(ctx context.Context, cfg Config, reg prometheus.Registerer, log *slog.Logger) (func(context.Context) error, error) {
	if cfg.APIKeysFrom == "" {
		return func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
	}
	host, _, err := net.SplitHostPort(cfg.APIKeysFrom)
	if err != nil {
		return nil, fmt.Errorf("--api-keys-from: %w", err)
	}
	identity, err := mtls.Open(cfg.TLSDir, log)
	if err != nil {
		return nil, err
	}
	reg.MustRegister(identity.Collector())
	client := &feed.Client{Address: cfg.APIKeysFrom, TLS: identity.Client(host), File: cfg.APIKeys, Log: log}
	if _, err := os.Stat(cfg.APIKeys); errors.Is(err, fs.ErrNotExist) {
		if err := client.Fetch(ctx); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return identity.Run(ctx) })
		group.Go(func() error { return client.Run(ctx) })
		return group.Wait()
	}, nil
}
