package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/bolt"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/local"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/policy"
	"github.com/mooring-mcp/mooring/adapters/rules"
	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/traffic"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

const (
	readHeaderTimeout = 10 * time.Second
	// shutdownGrace is how long requests to the API may take once the end is
	// asked for. Followed logs take until then.
	shutdownGrace = 2 * time.Second
)

// run works until ctx ends, which ends all bridges. Where it ends by itself,
// with an error, the bridges are left to serve: the next start adopts them.
func run(ctx context.Context, cfg Config, logs *logging.Log) (err error) {
	log := logs.Logger
	store, err := openStore(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	allowed, err := policy.Open(cfg.Policy, log)
	if err != nil {
		return err
	}
	who, err := openIdentity(cfg, allowed.Current().Roles.APIKeys, log)
	if err != nil {
		return err
	}
	trusted := trustOf(cfg, who.gate, log)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	translator, err := newTranslator(cfg)
	if err != nil {
		return err
	}
	remotes, err := remotePolicy(cfg)
	if err != nil {
		return err
	}
	deployer, err := local.New(local.Config{
		Store: store, AdaptersDir: cfg.AdaptersDir, RunDir: cfg.RunDir, Bridge: cfg.Bridge, Lease: cfg.Lease,
		Own: remotes.Own, Policy: cfg.Policy, MaxStarting: cfg.MaxStarting, DrainTimeout: cfg.DrainTimeout, Environ: os.Environ(), Log: log, Metrics: registry,
	})
	if err != nil {
		return err
	}
	loop := snapshot.New(snapshot.Config{
		Store: store, Deployer: deployer, Translator: translator, Truster: trusted, Registerer: registry, Log: log,
	})
	meter, measure := trafficMeter(cfg, store, log)
	service := adapters.NewService(adapters.ServiceConfig{
		Store: store, Deployer: deployer, Programmer: loop, Traffic: meter, Limits: adapters.Limits{MaxReplicas: allowed.Current().MaxReplicas},
		Check: adapters.Checks(launchCheck(remotes, allowed), rules.Check, who.checkExchange),
	})
	kept, err := openAudit(cfg.Audit, registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	handler, err := apiHandler(cfg, service, loop, who, allowed, kept, log)
	if err != nil {
		return err
	}
	listeners, err := listenAll(cfg.ADSSocket, cfg.APISocket, cfg.OpsSocket)
	if err != nil {
		return err
	}
	log.Info("serving", "ads", cfg.ADSSocket, "api", cfg.APISocket)
	return serve(ctx, listeners, parts{
		deployer: deployer, loop: loop, discovery: server.New(loop, log),
		identity: who.run, trust: trusted, measure: measure, api: handler, ops: opsHandler(registry, loop, store, deployer, logs),
	})
}

// openStore opens the store, which keeps secrets where cfg names a key for them.
func openStore(cfg Config, log *slog.Logger) (*bolt.Store, error) {
	if cfg.SecretsKey == "" {
		return bolt.Open(cfg.DB, log)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.SecretsKey), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the key for secrets: %w", err)
	}
	return bolt.OpenSealing(cfg.DB, cfg.SecretsKey, log)
}

func settings(cfg Config) translate.Settings {
	return translate.Settings{
		Fast:      cfg.Auth != "" && cfg.Passing.any(),
		AccessLog: cfg.AccessLog,
		Listen:    cfg.Listen, OpsListen: cfg.OpsListen, PublicURL: cfg.PublicURL,
		Limits: translate.Limits{
			BodyBytes: cfg.Passing.MaxBodyBytes, AdapterRequests: cfg.ConcurrentRequests, AnswerTimeout: cfg.RequestTimeout, StreamDuration: cfg.StreamDuration,
		},
	}
}

// newTranslator translates under the settings, and those for traces, which come by
// OpenTelemetry's environment variables.
func newTranslator(cfg Config) (*translate.Translator, error) {
	set := settings(cfg)
	var err error
	if set.Traces, err = otlp.FromEnvironment(); err != nil {
		return nil, err
	}
	// Envoy would refuse its whole configuration for a file that it cannot use.
	if _, err = set.Traces.TLS(); err != nil {
		return nil, err
	}
	return translate.New(set)
}

// remotePolicy says which addresses a remote server may have: on one machine,
// servers on this machine are what a user may want to reach, but not the gateway
// itself.
func remotePolicy(cfg Config) (launch.URLPolicy, error) {
	own, err := settings(cfg).Addresses()
	if err != nil {
		return launch.URLPolicy{}, err
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return launch.URLPolicy{}, fmt.Errorf("public URL: %w", err)
	}
	port := public.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[public.Scheme]
	}
	host := net.JoinHostPort(strings.ToLower(public.Hostname()), port)
	return launch.URLPolicy{AllowLoopback: true, Own: own, OwnHosts: []string{host}}, nil
}

func apiHandler(cfg Config, service *adapters.Service, loop *snapshot.Loop, who identity, allowed *policy.File, kept auditor, log *slog.Logger) (http.Handler, error) {
	hosts, origins, err := api.AllowedFrom(cfg.PublicURL, cfg.Listen)
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Service: service, Authenticator: who.authenticator, Discovery: who.discovery, APIKeys: who.apiKeys, Policy: allowed.Current, Audit: kept, Log: log,
		IdentityKeys: identityKeys(cfg),
		AllowedHosts: hosts, AllowedOrigins: origins, Ready: loop.Ready,
	}), nil
}

// trafficMeter returns what measures traffic, and its work; nil where nothing
// does.
func trafficMeter(cfg Config, store adapters.Store, log *slog.Logger) (adapters.TrafficMeter, func(context.Context) error) {
	if cfg.ExtProcOpsSocket == "" {
		return nil, func(context.Context) error { return nil }
	}
	meter := traffic.New(cfg.ExtProcOpsSocket, store, log)
	return meter, meter.Run
}

// parts are what works side by side.
type parts struct {
	deployer  adapters.Deployer
	loop      *snapshot.Loop
	discovery *server.Server
	identity  func(ctx context.Context) error
	measure   func(ctx context.Context) error
	trust     truster
	api, ops  http.Handler
}

// serve runs all parts, on listeners for discovery, the API and operations,
// until ctx ends. Only then does the deployer end the bridges: the fault of
// another part must not.
func serve(ctx context.Context, listeners []net.Listener, p parts) error {
	deployed := make(chan error, 1)
	go func() { deployed <- p.deployer.Run(ctx) }()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.loop.Run(groupCtx) })
	group.Go(func() error { return p.identity(groupCtx) })
	group.Go(func() error { return p.measure(groupCtx) })
	group.Go(func() error { return p.trust.Run(groupCtx) })
	group.Go(func() error { return p.discovery.Serve(groupCtx, listeners[0]) })
	group.Go(func() error { return serveHTTP(groupCtx, listeners[1], p.api) })
	group.Go(func() error { return serveHTTP(groupCtx, listeners[2], p.ops) })
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
