package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// Shared is what the flags say wherever adapters run.
type Shared struct {
	Listen             string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where Envoy serves MCP and the API (${default})."`
	OpsListen          string        `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where Envoy serves metrics (${default})."`
	ConcurrentRequests uint32        `env:"MOORING_CONCURRENT_REQUESTS" default:"1024" help:"Requests, streams included, that are open to an adapter at a time, where it does not say (${default})."`
	RequestTimeout     time.Duration `env:"MOORING_REQUEST_TIMEOUT" default:"0" help:"How long an adapter's server may take for the whole answer to a POST, where the adapter does not say (0: as long as a stream)."`
	StreamDuration     time.Duration `env:"MOORING_STREAM_DURATION" default:"1h" help:"How long a stream of an adapter may stay open (${default})."`
	PublicURL          string        `placeholder:"URL" help:"The gateway's address to the world: requests for other hosts are refused (http:// and the address of --listen)."`
	Auth               string        `env:"MOORING_AUTH" placeholder:"FILE" help:"auth.yaml: whose credentials are accepted (none: development mode, which believes the X-Dev-* headers)."`
	Policy             string        `placeholder:"FILE" help:"policy.yaml: what adapters may be, and which roles lift that (the default rules)."`
	Audit              string        `placeholder:"FILE" help:"File to add what was done and refused to, a line each; - is the standard output (none). xds verify-audit FILE... verifies it."`
	LogLevel           slog.Level    `default:"info" help:"debug, info, warn or error (${default})."`

	Passing passing `embed:""`
}

// passing is what Envoy may let pass by itself.
type passing struct {
	MaxBodyBytes int64 `default:"4194304" help:"Size of the largest request body that Envoy lets pass by itself, which is to be that of extproc (${default})."`

	RequestsPerSecond              int `env:"MOORING_REQUESTS_PER_SECOND" default:"0" help:"As that of extproc, which counts: where it is set, Envoy lets no request pass by itself."`
	RequestsPerSecondPerPrincipal  int `env:"MOORING_REQUESTS_PER_SECOND_PER_PRINCIPAL" default:"0" help:"The same."`
	ConcurrentRequestsPerPrincipal int `env:"MOORING_CONCURRENT_REQUESTS_PER_PRINCIPAL" default:"0" help:"The same."`
}

// counts reports whether extproc counts requests of adapters that do not say so.
func (p passing) counts() bool {
	return p.RequestsPerSecond != 0 || p.RequestsPerSecondPerPrincipal != 0 || p.ConcurrentRequestsPerPrincipal != 0
}

// validate names every fault of c, and fills in what follows from the rest.
func (c *Shared) validate() error {
	var faults []error
	for flag, address := range map[string]string{"--listen": c.Listen, "--ops-listen": c.OpsListen} {
		faults = append(faults, checkAddress(flag, address))
	}
	if c.Listen == c.OpsListen {
		faults = append(faults, fmt.Errorf("--listen and --ops-listen are both %s", c.Listen))
	}
	if c.Passing.MaxBodyBytes <= 0 {
		faults = append(faults, errors.New("--max-body-bytes must be positive"))
	}
	if c.RequestTimeout < 0 || c.StreamDuration < 0 {
		faults = append(faults, errors.New("--request-timeout and --stream-duration must not be negative"))
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	return errors.Join(faults...)
}

func checkAddress(flag, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s %s: not an address with a port", flag, address)
	}
	return nil
}

// settings are those that Envoy's configuration is made under on one machine.
func (c *Shared) settings() translate.Settings {
	return translate.Settings{
		Listen: c.Listen, OpsListen: c.OpsListen, PublicURL: c.PublicURL,
		Limits: translate.Limits{
			BodyBytes: c.Passing.MaxBodyBytes, AdapterRequests: c.ConcurrentRequests, AnswerTimeout: c.RequestTimeout, StreamDuration: c.StreamDuration,
		},
	}
}

// remotePolicy says which addresses a remote server may have: none of the gateway
// itself.
func (c *Shared) remotePolicy() (launch.URLPolicy, error) {
	own, err := c.settings().Addresses()
	if err != nil {
		return launch.URLPolicy{}, err
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return launch.URLPolicy{}, fmt.Errorf("public URL: %w", err)
	}
	port := public.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[public.Scheme]
	}
	host := net.JoinHostPort(strings.ToLower(public.Hostname()), port)
	return launch.URLPolicy{Own: own, OwnHosts: []string{host}}, nil
}
