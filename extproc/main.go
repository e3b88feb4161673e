// Extproc is Mooring's external processor: Envoy asks it about each MCP
// request. It holds no rights, no store and no state but caches; what a route
// allows comes with each request, and what a session is, with its id.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/launch/version"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/extproc/internal/check"
	"github.com/mooring-mcp/mooring/extproc/internal/drain"
)

// Config is what the flags say.
type Config struct {
	Socket                         string        `required:"" help:"Unix socket (mode 0600) for Envoy's ext_proc calls." placeholder:"FILE"`
	LogFD                          int           `name:"log-fd" default:"0" help:"Number of an inherited socket that listens for Envoy's access logs, and outlives this process (0: they come to --socket)." placeholder:"N"`
	OpsSocket                      string        `required:"" help:"Unix socket (mode 0600) for metrics, health and profiles." placeholder:"FILE"`
	SessionKeys                    string        `required:"" help:"Folder of session signing keys: *.pem, PKCS#8 or SEC 1, ECDSA P-256; the highest name signs." placeholder:"DIR"`
	SessionJWKS                    string        `name:"session-jwks" help:"File to publish the public halves of the session keys to, for xds (none)." placeholder:"FILE"`
	IdentityKeys                   string        `help:"Folder of the keys that sign what tells servers who calls, like --session-keys; no adapter can ask for that without." placeholder:"DIR"`
	IdentityJWKS                   string        `name:"identity-jwks" help:"File to write their public halves to, for who verifies." placeholder:"FILE"`
	Audit                          string        `help:"File to add a line to for each MCP message, allowed or refused; - is the standard output (none). xds verify-audit FILE... verifies it." placeholder:"FILE"`
	AuditMaxBytes                  int64         `env:"MOORING_AUDIT_MAX_BYTES" default:"134217728" help:"Size at which that file becomes FILE.1, in place of the one before; 0 lets it grow."`
	AccessLog                      string        `env:"MOORING_ACCESS_LOG" help:"File to add a line to for each request; - is the standard output (none)." placeholder:"FILE"`
	PublicURL                      string        `help:"The gateway's address to the world: pages of its origin may use it." placeholder:"URL"`
	Listen                         string        `help:"The gateway's address on this machine: pages of localhost with its port may use it." placeholder:"HOST:PORT"`
	MaxBodyBytes                   int64         `default:"4194304" help:"Size of the largest request body."`
	MaxBodyPause                   time.Duration `env:"MOORING_MAX_BODY_PAUSE" default:"5s" help:"How long a client may pause within a request's body."`
	RequestsPerSecond              int           `env:"MOORING_REQUESTS_PER_SECOND" default:"0" help:"Requests that an adapter takes in a second, where it does not say (0: no limit)."`
	RequestsPerSecondPerPrincipal  int           `env:"MOORING_REQUESTS_PER_SECOND_PER_PRINCIPAL" default:"0" help:"Those that it takes from one user (0: no limit)."`
	ConcurrentRequestsPerPrincipal int           `env:"MOORING_CONCURRENT_REQUESTS_PER_PRINCIPAL" default:"0" help:"Requests that one user may have open to an adapter, where it does not say (0: no limit)."`
	ConcurrentStreams              int           `env:"MOORING_CONCURRENT_STREAMS" default:"768" help:"Streams of server messages that are open to an adapter at a time, where it does not say (0: no limit)."`
	ConcurrentStreamsPerPrincipal  int           `env:"MOORING_CONCURRENT_STREAMS_PER_PRINCIPAL" default:"256" help:"Those that it gives one user (0: no limit)."`
	SessionTTL                     time.Duration `default:"24h" help:"How long a session may live."`
	Auth                           string        `env:"MOORING_AUTH" help:"auth.yaml: whose credentials are accepted (none: development mode, which believes the X-Dev-* headers)." placeholder:"FILE"`
	APIKeys                        string        `name:"api-keys" help:"File that keeps the API keys; needed with --auth." placeholder:"FILE"`
	APIKeysFrom                    string        `name:"api-keys-from" help:"Control planes that send the list of API keys as it changes, over mTLS; it is kept in --api-keys (none: that file is another's)." placeholder:"HOST:PORT"`
	TLSDir                         string        `help:"Folder of tls.crt, tls.key and ca.crt, for --api-keys-from; followed." placeholder:"DIR"`
	LogLevel                       slog.Level    `default:"info" help:"debug, info, warn or error."`
}

// longestPause lies below the time that Envoy waits for an answer to a piece of a
// body (10 s), or that would end first, as a 504.
const longestPause = 8 * time.Second

// Validate is called by kong.
func (c *Config) Validate() error {
	if c.MaxBodyBytes <= 0 {
		return fmt.Errorf("max-body-bytes must be positive")
	}
	if c.MaxBodyPause <= 0 || c.MaxBodyPause > longestPause {
		return fmt.Errorf("max-body-pause must be between 1ns and %v, after which Envoy gives up", longestPause)
	}
	if min(c.RequestsPerSecond, c.RequestsPerSecondPerPrincipal, c.ConcurrentRequestsPerPrincipal,
		c.ConcurrentStreams, c.ConcurrentStreamsPerPrincipal) < 0 {
		return fmt.Errorf("limits of requests must not be negative")
	}
	if c.SessionTTL < time.Second {
		return fmt.Errorf("session-ttl must be at least a second")
	}
	if c.AuditMaxBytes < 0 {
		return fmt.Errorf("audit-max-bytes must not be negative")
	}
	if c.IdentityKeys != "" && c.PublicURL == "" {
		return fmt.Errorf("identity-keys needs public-url, which is the issuer of what they sign")
	}
	if c.IdentityJWKS != "" && c.IdentityKeys == "" {
		return fmt.Errorf("identity-jwks needs identity-keys")
	}
	if c.Auth != "" && (c.APIKeys == "" || c.PublicURL == "") {
		return fmt.Errorf("auth needs api-keys and public-url")
	}
	if c.APIKeysFrom != "" && (c.APIKeys == "" || c.TLSDir == "") {
		return fmt.Errorf("api-keys-from needs api-keys and tls-dir")
	}
	return nil
}

// defaults are the limits of adapters that have none of their own.
func (c *Config) defaults() adapters.TrafficLimits {
	return adapters.TrafficLimits{
		RequestsPerSecond:              c.RequestsPerSecond,
		RequestsPerSecondPerPrincipal:  c.RequestsPerSecondPerPrincipal,
		ConcurrentRequestsPerPrincipal: c.ConcurrentRequestsPerPrincipal,
		ConcurrentStreams:              c.ConcurrentStreams,
		ConcurrentStreamsPerPrincipal:  c.ConcurrentStreamsPerPrincipal,
	}
}

// commands are what the program does.
type commands struct {
	Serve   Config  `cmd:"" default:"withargs" help:"Judge requests for Envoy (the default)."`
	MakeKey makeKey `cmd:"" help:"Make a key, which signs from then on; print its file. Running processors take it up by themselves."`
	Drain   drainer `cmd:"" help:"Send Envoy's clients away while it still serves them, before it ends."`
	Check   checker `cmd:"" help:"Ask a gateway over the network until it answers with a status."`

	Version kong.VersionFlag `help:"Print the version and end."`
}

// makeKey makes a key in the folder that it names.
type makeKey struct {
	SessionKeys  string `required:"" xor:"folder" help:"Folder of session signing keys." placeholder:"DIR"`
	IdentityKeys string `required:"" xor:"folder" help:"Folder of the keys that sign what tells servers who calls." placeholder:"DIR"`

	After time.Duration `default:"0s" help:"How long from now it is only to verify, so that all processors know it before one signs (${default})."`
}

// Run implements the command.
func (m makeKey) Run() error {
	path, err := keys.GenerateFor(cmp.Or(m.SessionKeys, m.IdentityKeys), time.Now().Add(m.After))
	if err == nil {
		_, err = fmt.Println(path)
	}
	return err
}

// drainer drains the Envoy beside it.
type drainer struct {
	AdminSocket string        `required:"" help:"Unix socket of Envoy's admin interface." placeholder:"FILE"`
	For         time.Duration `default:"20s" help:"How long to wait for them to go: what still runs after that is cut off by Envoy's end (${default})."`
}

// Run implements the command.
func (d drainer) Run() error {
	ctx, stop := interrupted()
	defer stop()
	return drain.Run(ctx, d.AdminSocket, d.For)
}

// checker asks a gateway, such as that of an installation.
type checker struct {
	URL    string        `name:"url" required:"" help:"What to fetch." placeholder:"URL"`
	Host   string        `help:"What to ask it as (its own)." placeholder:"HOST"`
	Status int           `default:"200" help:"The status to wait for (${default})."`
	For    time.Duration `default:"30s" help:"How long to ask again (${default})."`
}

// Run implements the command.
func (c checker) Run() error {
	ctx, stop := interrupted()
	defer stop()
	return check.Await(ctx, check.Question{URL: c.URL, Host: c.Host, Status: c.Status}, c.For)
}

// interrupted ends when this program is told to.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}

func main() {
	var c commands
	parsed := kong.Parse(&c, kong.Name("extproc"), kong.Description("Mooring's external processor for Envoy."),
		kong.Vars{"version": "extproc " + version.String()})
	if parsed.Command() != "serve" {
		parsed.FatalIfErrorf(parsed.Run())
	} else if serve(c.Serve) != nil {
		os.Exit(1)
	}
}

// garbage is how much memory may be garbage, in percent of what is in use, of
// which there is little: half of the collector's work is saved for some 30 MB.
const garbage = 400

// serve judges requests until the program is told to end. Its error is in the log.
func serve(cfg Config) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	log := logging.New(os.Stderr, "extproc", cfg.LogLevel, nil)
	ctx, stop := interrupted()
	defer stop()
	return log.While(func() error {
		err := run(ctx, cfg, log)
		if err != nil {
			log.Error("extproc ends", "error", err)
		}
		return err
	})
}
