package main

import (
	"log/slog"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/shared"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

// servers starts server processes that speak the era that is wanted, by
// translation where the command does not speak it.
type servers struct {
	cfg      Config
	launcher *launcher
	eras     func() probe.Eras
	states   *translate.States
	log      *slog.Logger
}

// legacy starts a process for a session.
func (s *servers) legacy() (mcphttp.Child, error) {
	child, err := s.launcher.take("session")
	if err != nil {
		return nil, err
	}
	if s.eras().Legacy {
		return process{child}, nil
	}
	return translate.NewLegacy(process{child}, translate.Options{Log: s.log}), nil
}

// sessions returns what gives each session its process, or its part of one.
func (s *servers) sessions() func() (mcphttp.Child, error) {
	if s.cfg.Process != processShared {
		return s.legacy
	}
	pool := shared.NewPool(func() (shared.Child, error) { return s.legacy() }, s.cfg.SessionLifetime, s.log)
	return func() (mcphttp.Child, error) { return pool.Join() }
}

// modern starts a process for requests of the modern era, from clients with
// these capabilities.
func (s *servers) modern(capabilities []byte) (mcphttp.Child, error) {
	child, err := s.launcher.take("modern")
	if err != nil {
		return nil, err
	}
	if s.eras().Modern {
		return process{child}, nil
	}
	return translate.NewModern(process{child}, translate.Options{
		Capabilities: capabilities, Shared: s.cfg.Process == processShared,
		StartTimeout: s.cfg.StartTimeout, States: s.states, Log: s.log,
	}), nil
}

// bound is the part of a client's capabilities that a process is bound to.
func (s *servers) bound(capabilities []byte) string {
	if s.eras().Modern {
		return ""
	}
	return translate.Bound(capabilities)
}

// process is a stdio.Child as mcphttp wants it.
type process struct{ *stdio.Child }

// Ending implements mcphttp.Child. What the process wrote is for its owner, not
// for clients.
func (p process) Ending() (how string, first bool) { return p.Exit().How, true }
