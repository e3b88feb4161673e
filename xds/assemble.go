package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/adapters/policy"
	"github.com/mooring-mcp/mooring/adapters/rules"
	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/trust"
	"github.com/mooring-mcp/mooring/xds/internal/wake"
)

// base is what is there before it matters where adapters run.
type base struct {
	cfg      Shared
	logs     *logging.Log
	log      *slog.Logger
	registry *prometheus.Registry
	allowed  *policy.File
	kept     auditor
}

// newBase is to be closed in the end.
func newBase(cfg Shared, logs *logging.Log) (*base, error) {
	b := &base{cfg: cfg, logs: logs, log: logs.Logger, registry: prometheus.NewRegistry()}
	b.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if b.allowed, err = policy.Open(cfg.Policy, b.log); err != nil {
		return nil, err
	}
	b.kept, err = openAudit(cfg.Audit, b.registry)
	return b, err
}

func (b *base) close() error { return b.kept.Close() }

// limits are the operator's.
func (b *base) limits() adapters.Limits {
	return adapters.Limits{MaxReplicas: b.allowed.Current().MaxReplicas}
}

// check is what an adapter must stand beside its own form.
func (b *base) check(remotes launch.URLPolicy, who identity) func(adapters.Spec) []adapters.Fault {
	return adapters.Checks(launchCheck(remotes, b.allowed), rules.Check, who.checkExchange)
}

// runtime is where adapters run, and what follows from that.
type runtime struct {
	store    adapters.Store
	deployer adapters.Deployer
	// run works for both until its context ends.
	run      func(context.Context) error
	who      identity
	remotes  launch.URLPolicy
	settings translate.Settings
	// sessions are the public keys of sessions. Nil means that Envoy lets nothing
	// pass by itself.
	sessions trust.Sessions
	// identityKeys are shown to everybody. Nil means that there are none.
	identityKeys func() ([]byte, error)
	// meter measures traffic. Nil means that nobody does.
	meter adapters.TrafficMeter
	// connect is told how to learn how many Envoys there are. Nil means that nobody
	// needs to know.
	connect func(envoys func() int)
	// tasks keep all of this current until their context ends.
	tasks []func(context.Context) error
	// services are served beside discovery.
	services []func(grpc.ServiceRegistrar)
	// report is told who knows what Envoys have accepted. Nil means that nobody
	// else needs to know.
	report func(adapters.Programmer)
	// join makes the loop one of several, by a service beside discovery and a task.
	// Nil means that it is the only one.
	join func(*snapshot.Loop) (func(grpc.ServiceRegistrar), func(context.Context) error)
	// observe is told who knows which adapters nobody calls. Nil means that nobody
	// else needs to know.
	observe func(adapters.UseMeter)
	// hold makes what holds requests to adapters without a replica that serves. Nil
	// means that none are held.
	hold func(wake.Loop) (*wake.Waker, error)
	// known is closed once deployer knows what runs. Nil means at once.
	known <-chan struct{}
}

// assemble makes the parts that run adapters there.
func (b *base) assemble(r runtime) (parts, error) {
	translator, err := newTranslator(r.settings)
	if err != nil {
		return parts{}, err
	}
	trusted := trustOf(r, b.cfg.Passing)
	loop := snapshot.New(snapshot.Config{
		Store: r.store, Deployer: r.deployer, Translator: translator, Truster: trusted, Known: r.known, Registerer: b.registry, Log: b.log,
	})
	if r.report != nil {
		r.report(loop)
	}
	if r.connect != nil {
		r.connect(loop.Envoys)
	}
	if r.join != nil {
		joined, task := r.join(loop)
		r.services, r.tasks = append(r.services, joined), append(r.tasks, task)
	}
	service := adapters.NewService(adapters.ServiceConfig{
		Store: r.store, Deployer: r.deployer, Programmer: loop, Traffic: r.meter, Limits: b.limits(),
		Check: b.check(r.remotes, r.who),
	})
	handler, err := b.apiHandler(r, service, loop)
	if err != nil {
		return parts{}, err
	}
	if r.hold != nil {
		waker, err := r.hold(loop)
		if err != nil {
			return parts{}, err
		}
		handler, r.tasks = waker.Before(handler), append(r.tasks, waker.Run)
	}
	return parts{
		run: r.run, loop: loop, discovery: server.New(loop, b.log, r.services...),
		tasks: append(r.tasks, r.who.run, trusted.Run), api: handler,
		ops: opsHandler(b.registry, loop, r.store, r.deployer, b.logs),
	}, nil
}

// newTranslator translates under the settings, and what OpenTelemetry's environment
// variables say of which traces are recorded.
func newTranslator(set translate.Settings) (*translate.Translator, error) {
	traces, err := otlp.FromEnvironment()
	if err != nil {
		return nil, err
	}
	if traces.On() {
		set.Traces = &traces.Sampler
	}
	return translate.New(set)
}

func (b *base) apiHandler(r runtime, service *adapters.Service, loop *snapshot.Loop) (http.Handler, error) {
	hosts, origins, err := api.AllowedFrom(b.cfg.PublicURL, b.cfg.Listen)
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Service: service, Authenticator: r.who.authenticator, Discovery: r.who.discovery, APIKeys: r.who.apiKeys, Policy: b.allowed.Current, Audit: b.kept, Log: b.log,
		IdentityKeys: r.identityKeys,
		AllowedHosts: hosts, AllowedOrigins: origins, Ready: loop.Ready,
	}), nil
}
