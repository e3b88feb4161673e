package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// Config is the launcher's settings.
type Config struct {
	State     string `env:"MOORING_STATE" default:"./.state" placeholder:"DIR" help:"Folder for adapters, keys, logs and sockets (${default})."`
	Listen    string `env:"MOORING_LISTEN" default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where the gateway serves MCP and the API (${default})."`
	OpsListen string `env:"MOORING_OPS_LISTEN" default:"127.0.0.1:9090" placeholder:"ADDRESS" help:"Where metrics are served (${default})."`
	PublicURL string `env:"MOORING_PUBLIC_URL" placeholder:"URL" help:"What the world calls the gateway (http:// and the address of --listen)."`
	Envoy     string `env:"MOORING_ENVOY" placeholder:"FILE" help:"Envoy to run (the one of make tools, else the one on PATH)."`
	LogLevel  string `env:"MOORING_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"What the parts write into their logs: debug, info, warn or error (${default})."`
	Auth      string `env:"MOORING_AUTH" placeholder:"FILE" help:"Whose credentials are accepted: auth.yaml (none: development mode, in which callers say themselves who they are)."`
	APIKeys   string `name:"api-keys" env:"MOORING_API_KEYS" placeholder:"FILE" help:"File that keeps API keys (apikeys.json in the state folder)."`
	Policy    string `env:"MOORING_POLICY" placeholder:"FILE" help:"What adapters may be, and which roles lift that: policy.yaml (the default rules)."`

	Version kong.VersionFlag `help:"Print the version and end."`

	AnonymousNetwork bool `name:"dangerously-let-the-network-in-without-identity" help:"Allow --listen and --ops-listen on addresses that others reach, although every caller there is an administrator who may run programs as you."`
}

// Validate names every fault of c, and fills in what follows from the rest.
func (c *Config) Validate() error {
	var faults []error
	for _, s := range []struct {
		flag       string
		value      *string
		identified bool
		why        string
	}{
		{"--listen", &c.Listen, c.Auth != "", " (development mode; --auth ends it)"},
		{"--ops-listen", &c.OpsListen, false, " there"},
	} {
		addr, err := parseAddress(*s.value)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s %s: %w", s.flag, *s.value, err))
		case !addr.Addr().IsLoopback() && !c.AnonymousNetwork && !s.identified:
			faults = append(faults, fmt.Errorf("%s %s: callers are not identified%s, so only an address of this machine alone is allowed, such as 127.0.0.1:%d",
				s.flag, *s.value, s.why, addr.Port()))
		default:
			*s.value = addr.String()
		}
	}
	if c.Listen == c.OpsListen {
		faults = append(faults, fmt.Errorf("--listen and --ops-listen are both %s", c.Listen))
	}
	faults = append(faults, c.validateIdentity()...)
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	if err := checkPublicURL(c.PublicURL); err != nil {
		faults = append(faults, fmt.Errorf("--public-url %s: %w", c.PublicURL, err))
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	// The parts read it for themselves, and would not start.
	traces, err := otlp.FromEnvironment()
	if err == nil {
		_, err = traces.TLS()
	}
	if err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// validateIdentity makes paths absolute, since the parts run elsewhere. Tokens
// are meant for the public URL, so it must be one that clients use.
func (c *Config) validateIdentity() []error {
	var faults []error
	for _, path := range []*string{&c.Auth, &c.APIKeys, &c.Policy} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		*path = absolute
	}
	if addr, err := netip.ParseAddrPort(c.Listen); err == nil && addr.Addr().IsUnspecified() && c.Auth != "" && c.PublicURL == "" {
		faults = append(faults, fmt.Errorf("--public-url is needed: tokens are meant for an address that clients use, and not for %s", c.Listen))
	}
	return faults
}

// parseAddress takes an IP address or localhost, with a port.
func parseAddress(text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, errors.New("not an address with a port, such as 127.0.0.1:8080")
	}
	switch host {
	case "localhost":
		host = "127.0.0.1"
	case "":
		host = "0.0.0.0"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, errors.New("not an IP address with a port, such as 127.0.0.1:8080")
	}
	if addr.Port() == 0 {
		return netip.AddrPort{}, errors.New("port 0 has no meaning here")
	}
	return addr, nil
}

func checkPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("not an http or https URL")
	}
	if _, err := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16); err != nil || u.Port() == "0" {
		return errors.New("not a port")
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("only scheme, host and port are allowed")
	}
	return nil
}
