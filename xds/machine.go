package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/bolt"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/local"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/xds/internal/traffic"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/trust"
)

// Config is what the flags say where adapters run on this machine.
type Config struct {
	Shared

	DB               string        `name:"db" required:"" placeholder:"FILE" help:"File that keeps the adapters."`
	AdaptersDir      string        `required:"" placeholder:"DIR" help:"Folder for the adapters' working folders, logs and replicas."`
	RunDir           string        `required:"" placeholder:"DIR" help:"Folder for the sockets of bridges; its path must be short."`
	Bridge           string        `required:"" placeholder:"FILE" help:"The bridge program."`
	Lease            string        `placeholder:"FILE" help:"File whose lock tells bridges that somebody still owns them (none)."`
	ADSSocket        string        `name:"ads-socket" required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for Envoy's discovery."`
	APISocket        string        `name:"api-socket" required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for the API, which Envoy serves to clients."`
	OpsSocket        string        `required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for metrics, health and profiles."`
	ExtProcOpsSocket string        `name:"extproc-ops-socket" placeholder:"FILE" help:"The external processor's Unix socket for metrics, from which traffic is summed up in status (none)."`
	APIKeys          string        `name:"api-keys" placeholder:"FILE" help:"File that keeps the API keys; needed with --auth."`
	IdentityJWKS     string        `name:"identity-jwks" placeholder:"FILE" help:"File that extproc writes its public identity keys to, which are shown to everybody (none)."`
	SessionJWKS      string        `name:"session-jwks" placeholder:"FILE" help:"File to which extproc writes its public session keys (none: Envoy lets no request pass by itself)."`
	SecretsKey       string        `placeholder:"FILE" help:"Key that adapters' secrets are kept under, made (0600) where it is missing (none: adapters can have no secrets)."`
	MaxStarting      int           `env:"MOORING_MAX_STARTING" placeholder:"N" help:"How many bridges start at a time; the others wait (two for each processor, at least four)."`
	DrainTimeout     time.Duration `env:"MOORING_DRAIN_TIMEOUT" default:"5m" help:"How long a replica that is replaced or scaled away keeps its sessions (${default})."`
}

// Validate names every fault of c, and fills in what follows from the rest.
func (c *Config) Validate() error {
	faults := []error{c.validate()}
	if c.Auth != "" && c.APIKeys == "" {
		faults = append(faults, errors.New("--auth needs --api-keys"))
	}
	if c.MaxStarting < 0 {
		faults = append(faults, errors.New("--max-starting is less than zero"))
	}
	if c.DrainTimeout <= 0 {
		faults = append(faults, errors.New("--drain-timeout must be more than zero"))
	}
	return errors.Join(faults...)
}

// run works until ctx ends, which ends all bridges. Where it ends by itself,
// with an error, the bridges are left to serve: the next start adopts them.
func run(ctx context.Context, cfg Config, logs *logging.Log) (err error) {
	base, err := newBase(cfg.Shared, logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.close()) }()
	store, err := openStore(cfg, base.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	who, err := base.openIdentity(apikeys.NewKeyring(cfg.APIKeys, nil), apikeys.NewFile(cfg.APIKeys))
	if err != nil {
		return err
	}
	remotes, err := machineRemotes(cfg.Shared)
	if err != nil {
		return err
	}
	deployer, err := local.New(local.Config{
		Store: store, AdaptersDir: cfg.AdaptersDir, RunDir: cfg.RunDir, Bridge: cfg.Bridge, Lease: cfg.Lease,
		Own: remotes.Own, Policy: cfg.Policy, MaxStarting: cfg.MaxStarting, DrainTimeout: cfg.DrainTimeout, Environ: os.Environ(), Log: base.log, Metrics: base.registry,
	})
	if err != nil {
		return err
	}
	meter, measure := trafficMeter(cfg, store, base.log)
	p, err := base.assemble(runtime{
		store: store, deployer: deployer, run: deployer.Run, who: who, remotes: remotes, settings: machineSettings(cfg),
		sessions: cfg.sessions(base.log), identityKeys: identityKeys(cfg), meter: meter, tasks: []func(context.Context) error{measure},
	})
	if err != nil {
		return err
	}
	listeners, err := listenAll(cfg.ADSSocket, cfg.APISocket, cfg.OpsSocket)
	if err != nil {
		return err
	}
	base.log.Info("serving", "ads", cfg.ADSSocket, "api", cfg.APISocket)
	return serve(ctx, p, p.on(listeners)...)
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

// machineRemotes lets servers on this machine be remote ones: they are what a user
// may want to reach.
func machineRemotes(cfg Shared) (launch.URLPolicy, error) {
	remotes, err := cfg.remotePolicy()
	remotes.AllowLoopback = true
	return remotes, err
}

func machineSettings(cfg Config) translate.Settings {
	set := cfg.settings()
	set.Fast = cfg.Auth != "" && cfg.SessionJWKS != "" && !cfg.Passing.counts()
	return set
}

// sessions are the public keys of sessions, or nil where Envoy is to let nothing
// pass by itself.
func (c *Config) sessions(log *slog.Logger) trust.Sessions {
	if c.SessionJWKS == "" {
		return nil
	}
	return keys.NewPublished(c.SessionJWKS, log)
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

// trafficMeter returns what measures traffic, and its work; nil where nothing
// does.
func trafficMeter(cfg Config, store adapters.Store, log *slog.Logger) (adapters.TrafficMeter, func(context.Context) error) {
	if cfg.ExtProcOpsSocket == "" {
		return nil, idle
	}
	meter := traffic.New(traffic.Config{Find: traffic.Socket(cfg.ExtProcOpsSocket), Store: store, Log: log})
	return meter, meter.Run
}

// idle has nothing to do until ctx ends.
func idle(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
