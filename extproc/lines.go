package main

import (
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/extproc/internal/lines"
)

// openLines is the keeper of the access log that cfg asks for.
func openLines(cfg Config, reg prometheus.Registerer, log *slog.Logger) (keeper, error) {
	dropped := lines.Dropped(reg)
	switch cfg.AccessLog {
	case "":
		return nothing{}, nil
	case "-":
		return lines.New(os.Stdout, dropped, log), nil
	}
	file, err := lines.Open(cfg.AccessLog)
	if err != nil {
		return nil, err
	}
	return lines.New(file, dropped, log), nil
}
