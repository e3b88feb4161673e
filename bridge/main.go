// Bridge puts one MCP server on the network as streamable HTTP: a program that
// speaks over its standard input and output (MCP_COMMAND, MCP_ARGS), or a
// server elsewhere (MCP_PROXY_URL). It is useful alone; behind the gateway one
// bridge is one replica of an adapter.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch/version"
)

// gcPercent lets the heap, a few MiB, grow to more than the usual twice of what
// is in use: at thousands of calls a second it was collected many times in each,
// for a twelfth of all processor time.
const gcPercent = 200

func main() {
	var cfg Config
	// Parse calls Config.Validate, and ends the program when it finds a fault.
	kong.Parse(&cfg, kong.Name("bridge"),
		kong.Description("Serves a stdio or remote MCP server as streamable HTTP at /mcp, "+
			"with /healthz, /readyz and /metrics. SIGTERM drains; SIGINT, or SIGTERM again, stops."),
		kong.Vars{"version": "bridge " + version.String()})
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	environ := takeEnvironment()
	if err := run(context.Background(), cfg, environ, signals); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", secretsOf(cfg, environ).String(err.Error()))
		os.Exit(1)
	}
}

// takeEnvironment is the environment, of which the variables of OpenTelemetry are
// taken away from this process: its libraries would read them by themselves, and
// behind a gateway they are the server's.
func takeEnvironment() []string {
	environ := os.Environ()
	for _, variable := range environ {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			// It was read from there, so it has a name that can be unset.
			_ = os.Unsetenv(name)
		}
	}
	return environ
}
