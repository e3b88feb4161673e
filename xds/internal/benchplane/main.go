// Command benchplane is the control plane of benchmarks: it gives an Envoy the
// configuration that xds would, for adapters whose server already runs. What a
// request passes is the product; what starts servers and stores adapters, and
// no request ever passes, is left out. It is in no release.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/xds/internal/server"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/trust"
)

// Config is what the flags say.
type Config struct {
	Adapters  string `required:"" type:"existingfile" placeholder:"FILE" help:"The adapters: a JSON list of what POST /adapters takes."`
	Auth      string `required:"" type:"existingfile" placeholder:"FILE" help:"auth.yaml: whose tokens Envoy may believe by itself."`
	JWKS      string `name:"session-jwks" required:"" placeholder:"FILE" help:"Where extproc publishes the keys of sessions."`
	Endpoint  string `required:"" placeholder:"ADDRESS" help:"The server of all of them: IP address and port, or a Unix socket."`
	ADSSocket string `name:"ads-socket" required:"" placeholder:"FILE" help:"Unix socket for Envoy's discovery."`
	Listen    string `required:"" placeholder:"HOST:PORT" help:"Where Envoy serves MCP."`
	OpsListen string `required:"" placeholder:"HOST:PORT" help:"Where Envoy serves metrics."`
	Told      string `placeholder:"KEY" help:"A key of Envoy's runtime that can turn off what metrics and traces are made of."`
}

func main() {
	var cfg Config
	parsed := kong.Parse(&cfg, kong.Name("benchplane"), kong.Description("Control plane of benchmarks."))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	parsed.FatalIfErrorf(run(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, nil))))
}

// run serves discovery until ctx ends.
func run(ctx context.Context, cfg Config, log *slog.Logger) error {
	store, deployer := new(adapterstest.Store), new(adapterstest.Deployer)
	if err := load(ctx, cfg, store, deployer); err != nil {
		return err
	}
	// The environment of the benchmark turns traces on for all that it starts.
	traces, err := otlp.FromEnvironment()
	if err != nil {
		return err
	}
	settings := translate.Settings{Fast: true, Listen: cfg.Listen, OpsListen: cfg.OpsListen, Told: cfg.Told}
	if traces.On() {
		settings.Traces = &traces.Sampler
	}
	translator, err := translate.New(settings)
	if err != nil {
		return err
	}
	gate, err := authn.Open(authn.Options{File: cfg.Auth, PublicURL: "http://" + cfg.Listen, Log: log})
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", cfg.ADSSocket)
	if err != nil {
		return fmt.Errorf("serving discovery: %w", err)
	}
	trusted := trust.New(gate, keys.NewPublished(cfg.JWKS, log))
	loop := snapshot.New(snapshot.Config{
		Store: store, Deployer: deployer, Translator: translator, Truster: trusted, Registerer: prometheus.NewRegistry(), Log: log,
	})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return gate.Run(ctx) })
	group.Go(func() error { return trusted.Run(ctx) })
	group.Go(func() error { return loop.Run(ctx) })
	group.Go(func() error { return server.New(loop, log).Serve(ctx, listener) })
	return group.Wait()
}

// load stores the adapters, each with one replica at the endpoint.
func load(ctx context.Context, cfg Config, store *adapterstest.Store, deployer *adapterstest.Deployer) error {
	text, err := os.ReadFile(cfg.Adapters)
	if err != nil {
		return fmt.Errorf("reading adapters: %w", err)
	}
	var specs []adapters.Spec
	if err := json.Unmarshal(text, &specs); err != nil {
		return fmt.Errorf("reading adapters: %w", err)
	}
	for _, spec := range specs {
		a, err := store.Create(ctx, adapters.Adapter{ID: adapters.NewUID(), Spec: spec, CreatedAt: time.Now(), Generation: 1})
		if err != nil {
			return fmt.Errorf("storing adapter %q: %w", spec.Name, err)
		}
		deployer.SetInstances(a.ID, adapters.Instance{
			ID: spec.Name, Address: cfg.Endpoint, State: adapters.InstanceReady, TemplateHash: spec.TemplateHash(),
		})
	}
	return nil
}
