package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func valid() Config {
	return Config{State: "s", Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090", LogLevel: "info"}
}

func TestValidateFillsIn(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:1": "http://127.0.0.1:1", "localhost:2": "http://127.0.0.1:2", "[::1]:3": "http://[::1]:3",
	} {
		c := valid()
		c.Listen = listen
		if err := c.Validate(); err != nil || c.PublicURL != want {
			t.Errorf("%s: public URL %s, error %v", listen, c.PublicURL, err)
		}
		// kong validates it once more.
		if err := c.Validate(); err != nil {
			t.Errorf("%s, again: %v", listen, err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Listen = "0.0.0.0:8080" }, "only an address of this machine alone is allowed, such as 127.0.0.1:8080"},
		{func(c *Config) { c.Listen = ":8080" }, "--listen :8080: callers are not identified"},
		{func(c *Config) { c.Auth, c.Listen = "auth.yaml", "0.0.0.0:8080" }, "--public-url is needed"},
		{func(c *Config) { c.Auth, c.OpsListen = "auth.yaml", "0.0.0.0:9090" }, "--ops-listen 0.0.0.0:9090: callers are not identified there"},
		{func(c *Config) { c.OpsListen = "192.0.2.1:9090" }, "--ops-listen 192.0.2.1:9090: callers"},
		{func(c *Config) { c.Listen = "8080" }, "not an address with a port"},
		{func(c *Config) { c.Listen = "example.com:80" }, "not an IP address"},
		{func(c *Config) { c.Listen = "127.0.0.1:0" }, "port 0"},
		{func(c *Config) { c.OpsListen = c.Listen }, "are both 127.0.0.1:8080"},
		{func(c *Config) { c.PublicURL = "ftp://a" }, "not an http or https URL"},
		{func(c *Config) { c.PublicURL = "https://a:99999" }, "not a port"},
		{func(c *Config) { c.PublicURL = "https://a:0" }, "not a port"},
		{func(c *Config) { c.PublicURL = "https://a/path" }, "only scheme, host and port"},
		{func(c *Config) { c.PublicURL = "https://me:secret@a" }, "only scheme, host and port"},
	} {
		c := valid()
		tt.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q, got %v", tt.want, err)
		}
	}
}

func TestTheNetworkOnlyByTheLongFlag(t *testing.T) {
	c := valid()
	c.Listen, c.AnonymousNetwork = "0.0.0.0:8080", true
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTheNetworkWithIdentity(t *testing.T) {
	c := valid()
	c.Listen, c.Auth, c.APIKeys, c.PublicURL = "0.0.0.0:8080", "auth.yaml", "keys.json", "https://gateway.example"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if !filepath.IsAbs(c.Auth) || !filepath.IsAbs(c.APIKeys) {
		t.Errorf("the parts look elsewhere for %s and %s", c.Auth, c.APIKeys)
	}
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", "0.0.0.0:2": "localhost:2", "[::]:3": "localhost:3", "[::1]:4": "[::1]:4",
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
