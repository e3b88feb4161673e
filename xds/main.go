// Xds is Mooring's control plane: it serves the API for adapters, runs them,
// and keeps Envoy's configuration equal to them. It alone starts programs; MCP
// traffic never passes it.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch/version"
	"github.com/mooring-mcp/mooring/adapters/logging"
)

// commands are what the program does.
type commands struct {
	Serve       Config     `cmd:"" default:"withargs" help:"Run adapters on this machine (the default)."`
	Kubernetes  Kubernetes `cmd:"" help:"Run adapters as pods."`
	VerifyAudit auditFiles `cmd:"" help:"Say whether audit files hold an unbroken chain."`

	Version kong.VersionFlag `help:"Print the version and end."`
}

// auditFiles are files to verify.
type auditFiles struct {
	Files []string `arg:"" placeholder:"FILE" help:"The files, the oldest first."`
}

// Run implements the command.
func (f auditFiles) Run() error { return verifyAudit(os.Stdout, f.Files) }

func main() {
	var c commands
	parsed := kong.Parse(&c, kong.Name("xds"), kong.Description("Mooring's control plane."), kong.Vars{"version": "xds " + version.String()})
	switch parsed.Command() {
	case "serve":
		work(c.Serve.LogLevel, func(ctx context.Context, log *logging.Log) error { return run(ctx, c.Serve, log) })
	case "kubernetes":
		work(c.Kubernetes.LogLevel, func(ctx context.Context, log *logging.Log) error { return runKubernetes(ctx, c.Kubernetes, log) })
	default:
		parsed.FatalIfErrorf(parsed.Run())
	}
}

// work runs until the program is told to end. An error, which is logged, is its
// status 1.
func work(level slog.Level, run func(context.Context, *logging.Log) error) {
	log := logging.New(os.Stderr, "xds", level, nil)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := log.While(func() error {
		err := run(ctx, log)
		if err != nil {
			log.Error("xds ends", "error", err)
		}
		return err
	})
	if err != nil {
		os.Exit(1)
	}
}
