package main

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"nothing":   {func(c *Config) { c.Command = "" }, "nothing to run"},
		"both":      {func(c *Config) { c.ProxyURL = "https://x/mcp" }, "exclude each other"},
		"args only": {func(c *Config) { c.Command, c.ProxyURL, c.Args = "", "https://x/mcp", "a" }, "no use"},
		"quote":     {func(c *Config) { c.Args = `"a` }, "MCP_ARGS"},
		"many":      {func(c *Config) { c.Args = strings.Repeat("a ", 65) }, "more than 64 arguments"},
		"long":      {func(c *Config) { c.Args = strings.Repeat("a", 513) }, "longer than 512 characters"},
		"break":     {func(c *Config) { c.Args = "'a\nb'" }, "line break"},
		"url":       {func(c *Config) { c.Command, c.ProxyURL = "", "ftp://x" }, "MCP_PROXY_URL"},
		"loopback": {func(c *Config) {
			c.Command, c.ProxyURL, c.AllowLoopback = "", "http://127.0.0.1/mcp", false
		}, "MCP_PROXY_URL"},
		"plain token": {func(c *Config) {
			c.Command, c.ProxyURL, c.WorkloadIdentity = "", "http://server.example/mcp", true
		}, "https only"},
		"gateway": {func(c *Config) {
			c.Command, c.ProxyURL = "", "http://localhost:8080/mcp"
			c.AllowLoopback, c.DenyDial = true, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}
		}, "the gateway's own"},
		"socket": {func(c *Config) { c.Listen = "unix:s" }, "absolute"},
		"zero":   {func(c *Config) { c.MaxSessions = 0 }, "max-sessions"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults("/d")
			cfg.Command = "npx"
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			test.change(&cfg)
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestDeniedAddressesAreRead(t *testing.T) {
	var cfg Config
	parser, err := kong.New(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse([]string{"--proxy-url", "http://x/mcp", "--deny-dial", "127.0.0.1:8080", "--deny-dial", "[::]:9090"})
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::]:9090")}
	if !slices.Equal(cfg.remotePolicy().Own, want) {
		t.Errorf("got %v, want %v", cfg.remotePolicy().Own, want)
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{"5": 5, "4MiB": 4 << 20, "2 KiB": 2 << 10, "1GiB": 1 << 30} {
		var b ByteSize
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s gives %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "4MB", "x", "9999999999999GiB"} {
		if err := new(ByteSize).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestOperatorsLimitsAreSettings: what deployers hand on is what a bridge reads.
func TestOperatorsLimitsAreSettings(t *testing.T) {
	var read []string
	for field := range reflect.TypeFor[Config]().Fields() {
		read = append(read, field.Tag.Get("env"))
	}
	for _, name := range launch.BridgeLimits() {
		if !slices.Contains(read, name) {
			t.Errorf("%s is no setting", name)
		}
	}
}
