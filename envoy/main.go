// Command mooring runs the whole of Mooring on one machine: it finds Envoy,
// renders its bootstrap, and runs Envoy, the control plane (xds) and the
// external processor (extproc) until it is told to stop. What dies is started
// again; nothing is left behind. It knows nothing of adapters or MCP.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch/version"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == logLevelCommand {
		if err := logLevel(os.Stdout, os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "mooring: error: %v\n", err)
			os.Exit(1)
		}
		return
	}
	var cfg Config
	parsed := kong.Parse(&cfg, kong.Name("mooring"),
		kong.Description("Run MCP servers behind Envoy, on this machine."),
		kong.Vars{"version": "mooring " + version.String()})
	if err := cfg.Validate(); err != nil {
		parsed.FatalIfErrorf(err)
	}
	executable, err := os.Executable()
	parsed.FatalIfErrorf(err)

	ctx, force, release := signals(context.Background(), say)
	defer release()
	if err := run(ctx, force, cfg, executable); err != nil {
		fmt.Fprintf(os.Stderr, "mooring: error: %v\n", err)
		release()
		os.Exit(1)
	}
}
