package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
	"github.com/mooring-mcp/mooring/extproc/internal/trail"
)

// keeper keeps what the log tells of requests while it runs.
type keeper interface {
	accesslog.Requests
	Run(ctx context.Context) error
}

// openTrail is the keeper of the audit of MCP messages that cfg asks for.
func openTrail(cfg Config, reg prometheus.Registerer, log *slog.Logger) (keeper, error) {
	switch cfg.Audit {
	case "":
		return nothing{}, nil
	case "-":
		out := audit.To(os.Stdout)
		reg.MustRegister(out)
		return trail.New(out, log), nil
	}
	file, err := audit.Open(cfg.Audit, cfg.AuditMaxBytes)
	if err != nil {
		return nil, err
	}
	reg.MustRegister(file)
	return fileTrail{trail.New(file, log), file}, nil
}

// fileTrail closes its file in the end.
type fileTrail struct {
	*trail.Trail
	file *audit.Log
}

// Run implements keeper.
func (f fileTrail) Run(ctx context.Context) error {
	return errors.Join(f.Trail.Run(ctx), f.file.Close())
}

// nothing is kept.
type nothing struct{}

func (nothing) Take(*accesslog.Entry)     {}
func (nothing) Run(context.Context) error { return nil }
