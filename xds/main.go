// Xds is Mooring's control plane: it serves the API for adapters, runs them,
// and keeps Envoy's configuration equal to them. It alone starts programs; MCP
// traffic never passes it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch/version"
	"github.com/mooring-mcp/mooring/adapters/logging"
)

// Config is what the flags say.
type Config struct {
	DB                 string        `name:"db" required:"" placeholder:"FILE" help:"File that keeps the adapters."`
	AdaptersDir        string        `required:"" placeholder:"DIR" help:"Folder for the adapters' working folders, logs and replicas."`
	RunDir             string        `required:"" placeholder:"DIR" help:"Folder for the sockets of bridges; its path must be short."`
	Bridge             string        `required:"" placeholder:"FILE" help:"The bridge program."`
	Lease              string        `placeholder:"FILE" help:"File whose lock tells bridges that somebody still owns them (none)."`
	ADSSocket          string        `name:"ads-socket" required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for Envoy's discovery."`
	APISocket          string        `name:"api-socket" required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for the API, which Envoy serves to clients."`
	OpsSocket          string        `required:"" placeholder:"FILE" help:"Unix socket (mode 0600) for metrics, health and profiles."`
	ExtProcOpsSocket   string        `name:"extproc-ops-socket" placeholder:"FILE" help:"The external processor's Unix socket for metrics, from which traffic is summed up in status (none)."`
	Listen             string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where Envoy serves MCP and the API (${default})."`
	OpsListen          string        `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where Envoy serves metrics (${default})."`
	ConcurrentRequests uint32        `env:"MOORING_CONCURRENT_REQUESTS" default:"1024" help:"Requests, streams included, that are open to an adapter at a time, where it does not say (${default})."`
	RequestTimeout     time.Duration `env:"MOORING_REQUEST_TIMEOUT" default:"0" help:"How long an adapter's server may take for the whole answer to a POST, where the adapter does not say (0: as long as a stream)."`
	StreamDuration     time.Duration `env:"MOORING_STREAM_DURATION" default:"1h" help:"How long a stream of an adapter may stay open (${default})."`
	PublicURL          string        `placeholder:"URL" help:"The gateway's address to the world: requests for other hosts are refused (http:// and the address of --listen)."`
	Auth               string        `env:"MOORING_AUTH" placeholder:"FILE" help:"auth.yaml: whose credentials are accepted (none: development mode, which believes the X-Dev-* headers)."`
	APIKeys            string        `name:"api-keys" placeholder:"FILE" help:"File that keeps the API keys; needed with --auth."`
	IdentityJWKS       string        `name:"identity-jwks" placeholder:"FILE" help:"File that extproc writes its public identity keys to, which are shown to everybody (none)."`
	SecretsKey         string        `placeholder:"FILE" help:"Key that adapters' secrets are kept under, made (0600) where it is missing (none: adapters can have no secrets)."`
	MaxStarting        int           `env:"MOORING_MAX_STARTING" placeholder:"N" help:"How many bridges start at a time; the others wait (two for each processor, at least four)."`
	DrainTimeout       time.Duration `env:"MOORING_DRAIN_TIMEOUT" default:"5m" help:"How long a replica that is replaced or scaled away keeps its sessions (${default})."`
	Policy             string        `placeholder:"FILE" help:"policy.yaml: what adapters may be, and which roles lift that (the default rules)."`
	Audit              string        `placeholder:"FILE" help:"File to add what was done and refused to, a line each; - is the standard output (none). xds verify-audit FILE... verifies it."`
	AccessLog          string        `env:"MOORING_ACCESS_LOG" placeholder:"FILE" help:"File to which Envoy adds a line for each request; - is Envoy's standard output (none)."`
	LogLevel           slog.Level    `default:"info" help:"debug, info, warn or error (${default})."`

	Passing passing `embed:""`

	Version kong.VersionFlag `help:"Print the version and end."`
}

// passing is what Envoy may let pass by itself.
type passing struct {
	SessionJWKS  string `name:"session-jwks" placeholder:"FILE" help:"File to which extproc writes its public session keys (none: Envoy lets no request pass by itself)."`
	MaxBodyBytes int64  `default:"4194304" help:"Size of the largest request body that Envoy lets pass by itself, which is to be that of extproc (${default})."`

	RequestsPerSecond              int `env:"MOORING_REQUESTS_PER_SECOND" default:"0" help:"As that of extproc, which counts: where it is set, Envoy lets no request pass by itself."`
	RequestsPerSecondPerPrincipal  int `env:"MOORING_REQUESTS_PER_SECOND_PER_PRINCIPAL" default:"0" help:"The same."`
	ConcurrentRequestsPerPrincipal int `env:"MOORING_CONCURRENT_REQUESTS_PER_PRINCIPAL" default:"0" help:"The same."`
}

// any reports whether anything is: the keys of sessions are known, and extproc
// counts no requests of adapters that do not say so.
func (p passing) any() bool {
	return p.SessionJWKS != "" && p.RequestsPerSecond == 0 && p.RequestsPerSecondPerPrincipal == 0 && p.ConcurrentRequestsPerPrincipal == 0
}

// Validate names every fault of c, and fills in what follows from the rest.
func (c *Config) Validate() error {
	var faults []error
	for flag, address := range map[string]string{"--listen": c.Listen, "--ops-listen": c.OpsListen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			faults = append(faults, fmt.Errorf("%s %s: not an address with a port", flag, address))
		}
	}
	if c.Listen == c.OpsListen {
		faults = append(faults, fmt.Errorf("--listen and --ops-listen are both %s", c.Listen))
	}
	if c.Auth != "" && c.APIKeys == "" {
		faults = append(faults, errors.New("--auth needs --api-keys"))
	}
	if c.MaxStarting < 0 {
		faults = append(faults, errors.New("--max-starting is less than zero"))
	}
	if c.Passing.MaxBodyBytes <= 0 {
		faults = append(faults, errors.New("--max-body-bytes must be positive"))
	}
	if c.RequestTimeout < 0 || c.StreamDuration < 0 {
		faults = append(faults, errors.New("--request-timeout and --stream-duration must not be negative"))
	}
	if c.DrainTimeout <= 0 {
		faults = append(faults, errors.New("--drain-timeout must be more than zero"))
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	return errors.Join(faults...)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == verifyCommand {
		if err := verifyAudit(os.Stdout, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "xds:", err)
			os.Exit(1)
		}
		return
	}
	var cfg Config
	kong.Parse(&cfg, kong.Name("xds"), kong.Description("Mooring's control plane."), kong.Vars{"version": "xds " + version.String()})
	log := logging.New(os.Stderr, "xds", cfg.LogLevel, nil)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := log.While(func() error {
		err := run(ctx, cfg, log)
		if err != nil {
			log.Error("xds ends", "error", err)
		}
		return err
	})
	if err != nil {
		os.Exit(1)
	}
}
