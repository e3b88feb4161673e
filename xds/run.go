package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

const (
	readHeaderTimeout = 10 * time.Second
	// shutdownGrace is how long requests to the API may take once the end is
	// asked for. Followed logs take until then.
	shutdownGrace = 2 * time.Second
)

// parts are what works side by side.
type parts struct {
	// run runs the adapters.
	run       func(ctx context.Context) error
	loop      *snapshot.Loop
	discovery *server.Server
	// tasks keep current what the others work with.
	tasks    []func(ctx context.Context) error
	api, ops http.Handler
}

// on serves discovery, the API and operations on those listeners, in this order.
func (p parts) on(listeners []net.Listener) []func(context.Context) error {
	return []func(context.Context) error{
		func(ctx context.Context) error { return p.discovery.Serve(ctx, listeners[0]) },
		func(ctx context.Context) error { return serveHTTP(ctx, listeners[1], p.api) },
		func(ctx context.Context) error { return serveHTTP(ctx, listeners[2], p.ops) },
	}
}

// serve runs all parts, and what serves them, until ctx ends. Only then are the
// adapters told to end: the fault of another part must not.
func serve(ctx context.Context, p parts, fronts ...func(context.Context) error) error {
	deployed := make(chan error, 1)
	go func() { deployed <- p.run(ctx) }()
	group, groupCtx := errgroup.WithContext(ctx)
	for _, part := range slices.Concat(fronts, p.tasks, []func(context.Context) error{p.loop.Run}) {
		group.Go(func() error { return part(groupCtx) })
	}
	group.Go(func() error {
		select {
		case err := <-deployed:
			deployed <- err
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended by itself")
			}
			return named("running adapters", err)
		case <-groupCtx.Done():
			return nil
		}
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return named("running adapters", <-deployed)
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// serveHTTP serves h on l until ctx ends and what is being answered has had its
// time.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return named("serving "+l.Addr().String(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := s.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return named("ending "+l.Addr().String(), err)
}
