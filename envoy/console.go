package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/mooring-mcp/mooring/envoy/internal/locate"
	"github.com/mooring-mcp/mooring/envoy/internal/state"
	"github.com/mooring-mcp/mooring/envoy/internal/supervise"
)

// say prints one line for the user.
func say(format string, args ...any) {
	fmt.Printf("mooring: "+format+"\n", args...)
}

// signals returns a context that ends with the first SIGINT, SIGTERM or SIGHUP
// and a channel that is closed with the second. The release function gives the
// signals back and may be called twice.
func signals(parent context.Context, say supervise.Say) (ctx context.Context, force <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(parent)
	forced := make(chan struct{})
	received := make(chan os.Signal, 4)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case <-received:
		case <-ctx.Done():
			return
		}
		say("stopping (Ctrl-C again: at once)")
		cancel()
		<-received
		close(forced)
	}()
	return ctx, forced, func() {
		signal.Stop(received)
		cancel()
	}
}

// welcome tells what is there and what to try first.
func welcome(cfg Config, folder *state.Folder) {
	identity, credential := "development mode: whoever reaches the gateway administers it", ""
	if cfg.Auth != "" {
		identity, credential = cfg.Auth, `-H "Authorization: Bearer $TOKEN" `
	}
	fmt.Printf(`
  Gateway   %[1]s
  Adapters  %[1]s/adapters (API: %[1]s/docs)
  Metrics   http://%[2]s/metrics/envoy, /metrics/xds, /metrics/extproc
  Logs      %[3]s
  Identity  %[4]s

Try:
  curl %[5]s-H 'Content-Type: application/json' %[1]s/adapters -d '{
    "name": "time", "imageName": "mcp-proxy", "imageVersion": "1.0.0",
    "environmentVariables": {"MCP_COMMAND": "uvx", "MCP_ARGS": "mcp-server-time --local-timezone=UTC"}}'
  and point an MCP client at %[1]s/adapters/time/mcp

Ctrl-C stops everything; adapters come back with the next start.

`, cfg.PublicURL, cfg.OpsListen, folder.Logs(), identity, credential)
}

func announce(folder *state.Folder, programs locate.Programs) {
	say("state in %s", folder.Root())
	say("Envoy %s from %s", programs.EnvoyVersion, programs.Envoy)
}
