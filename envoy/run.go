package main

import (
	"context"
	_ "embed" // for version
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/envoy/internal/locate"
	"github.com/mooring-mcp/mooring/envoy/internal/logfile"
	"github.com/mooring-mcp/mooring/envoy/internal/state"
	"github.com/mooring-mcp/mooring/envoy/internal/supervise"
	"github.com/mooring-mcp/mooring/envoy/internal/sweep"
)

// envoyVersion is the Envoy that Mooring is made for.
//
//go:embed VERSION
var envoyVersion string

// lastWords is how many lines of its log say why a part did not start.
const lastWords = 10

// run starts everything, keeps it running until ctx ends and stops it, at once
// when force is closed.
func run(ctx context.Context, force <-chan struct{}, cfg Config, executable string) (err error) {
	programs, err := locate.Find(ctx, locate.Options{Executable: executable, Envoy: cfg.Envoy, Version: envoyVersion})
	if err != nil {
		return err
	}
	folder, err := state.Open(cfg.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	// Parts of a launcher that was killed may still be ending.
	if _, err := sweep.Parts(folder.Root(), xdsStopTimeout); err != nil {
		return err
	}
	if err := prepare(cfg, folder); err != nil {
		return err
	}
	logs, err := listenForLogs(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	announce(folder, programs)
	return supervised(ctx, force, launch{cfg: cfg, folder: folder, programs: programs, logs: logs})
}

// prepare makes what the parts need to find at their start.
func prepare(cfg Config, folder *state.Folder) error {
	for _, s := range []struct{ flag, address string }{{"--listen", cfg.Listen}, {"--ops-listen", cfg.OpsListen}} {
		if err := free(s.address); err != nil {
			return fmt.Errorf("%s %s cannot be served: %w", s.flag, s.address, err)
		}
	}
	if err := makeKey(folder.SessionKeys(), "sessions"); err != nil {
		return err
	}
	if err := makeKey(folder.IdentityKeys(), "what tells servers who calls"); err != nil {
		return err
	}
	text, err := renderBootstrap(folder)
	if err != nil {
		return err
	}
	if err := os.WriteFile(folder.Bootstrap(), text, 0o600); err != nil {
		return fmt.Errorf("writing Envoy's bootstrap: %w", err)
	}
	return nil
}

// makeKey makes the first key of a folder.
func makeKey(dir, signs string) error {
	made, err := filepath.Glob(filepath.Join(dir, "*"+keys.Extension))
	if err != nil {
		return fmt.Errorf("finding keys: %w", err)
	}
	if len(made) > 0 {
		return nil
	}
	if _, err := keys.Generate(dir); err != nil {
		return err
	}
	say("made the key that signs %s", signs)
	return nil
}

// free says why nobody could listen on address. Envoy would not: its listeners
// share a port with another Envoy's.
func free(address string) error {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New("another program listens there; end it, or choose another port")
	}
	if err != nil {
		return err
	}
	return l.Close()
}

// supervised runs the parts and the watchers of their logs. Watchers end when
// the stop begins: what parts say while they end is in their logs.
func supervised(ctx context.Context, force <-chan struct{}, l launch) error {
	parts := l.parts()
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	var group errgroup.Group
	for _, part := range parts {
		w := logfile.NewWatcher(l.folder.Log(part.Name), 0, func(line string) { say("%s: %s", part.Name, line) })
		group.Go(func() error { return w.Run(watch) })
	}
	group.Go(func() error {
		defer unwatch()
		err := supervise.New(parts, supervise.Limits{}, say).Run(ctx, force, func() { welcome(l.cfg, l.folder) })
		return errors.Join(l.explain(err), l.sweep())
	})
	if err := group.Wait(); err != nil {
		return err
	}
	say("stopped")
	return nil
}

// explain adds a part's last words to why it did not start.
func (l launch) explain(err error) error {
	var start *supervise.StartError
	if !errors.As(err, &start) {
		return err
	}
	log := l.folder.Log(start.Part)
	return fmt.Errorf("%w; the end of %s:\n%s", err, log, logfile.Tail(log, lastWords))
}

// sweep makes sure that no server outlives the launcher.
func (l launch) sweep() error {
	n, err := sweep.Instances(l.folder.Adapters())
	if n > 0 {
		say("ended %d processes of servers that were left", n)
	}
	return err
}
