// Package local is the Deployer of one machine: each replica of an adapter is a
// bridge process in a session of its own, listening on a Unix socket. The
// processes outlive this one when it is killed, are adopted by its next start,
// and are all ended when Run's context is. What it starts is recorded before it
// counts, so that nothing is ever left behind that nobody knows of. It needs
// Linux's /proc. It knows neither HTTP's adapters API nor Envoy, and judges
// nobody's right to anything.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters"
)

// Config is what a Deployer works with.
type Config struct {
	// Store holds the adapters that should run. Required.
	Store adapters.Store
	// AdaptersDir gets a folder for each adapter: its servers' working folder,
	// and the record, logs and state of each replica. Required. Made, with mode
	// 0700, when it is not there. No two Deployers may share it.
	AdaptersDir string
	// RunDir gets the bridges' sockets, in its folder b. Required. Together with
	// 24 bytes more it must fit into a socket's address, of 107 bytes.
	RunDir string
	// Bridge is the path of the bridge program. Required.
	Bridge string
	// Lease is the file whose lock tells bridges that somebody still owns them.
	// Empty means none: bridges then outlive a crash until the next start.
	Lease string
	// Own are the addresses that the gateway listens at, which no remote server
	// may have: see launch.URLPolicy.
	Own []netip.AddrPort
	// Policy is the operator's file of rules, which bridges follow where they
	// connect to remote servers. Empty means none.
	Policy string
	// Environ is the operator's environment, as of os.Environ. Bridges get what
	// a list of names allows: search paths, proxies, certificates, settings of
	// package tools. Nil means that they get only their adapter's variables.
	Environ []string
	// MaxStarting bounds how many bridges start at a time: until one is ready or
	// has failed, but for 30 s at most. Zero means two for each processor, and at
	// least four.
	MaxStarting int
	// DrainDelay is how long a replica goes on taking new sessions after it was
	// shown as draining, so that Envoy knows first. Zero means 1 s.
	DrainDelay time.Duration
	// DrainTimeout is how long a replica may keep its sessions after it began
	// to drain. Zero means 5 min.
	DrainTimeout time.Duration
	// StopGrace is how long a bridge may take to stop in order before it is
	// killed. Zero means 5 s.
	StopGrace time.Duration
	// Log is where the Deployer logs. Nil means nowhere.
	Log *slog.Logger
	// Metrics gets the Deployer's metrics. Nil means that nobody does.
	Metrics prometheus.Registerer
}

// Deployer runs adapters as child processes of this machine. New makes one.
type Deployer struct {
	cfg      Config
	owner    string // begins the ids of this Deployer's instances, and of no other's
	boot     string // this boot of the machine
	silence  time.Duration
	gate     *gate
	metrics  *metrics
	table    *table
	replicas sync.WaitGroup
}

var _ adapters.Deployer = (*Deployer)(nil)

// New returns a Deployer that does nothing until Run.
func New(cfg Config) (*Deployer, error) {
	if cfg.Store == nil {
		return nil, errors.New("a deployer needs a store")
	}
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	if longest := cfg.socket(ownerOf(cfg.AdaptersDir) + newSuffix()); len(longest) > maxSocketBytes {
		return nil, fmt.Errorf("run folder %q: the path is too long for sockets (%d of %d bytes)", cfg.RunDir, len(longest), maxSocketBytes)
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	return &Deployer{
		cfg:     cfg,
		owner:   ownerOf(cfg.AdaptersDir),
		boot:    boot,
		silence: silenceLimit,
		gate:    newGate(cfg.MaxStarting),
		metrics: newMetrics(cfg.Metrics),
		table:   newTable(),
	}, nil
}

// resolve makes all paths absolute: bridges work in folders of their own.
func (c *Config) resolve() error {
	for name, path := range map[string]*string{
		"adapters folder": &c.AdaptersDir, "run folder": &c.RunDir, "bridge": &c.Bridge, "lease": &c.Lease,
		"policy": &c.Policy,
	} {
		if *path == "" {
			if name == "lease" || name == "policy" {
				continue
			}
			return fmt.Errorf("a deployer needs a path for its %s", name)
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("finding the %s: %w", name, err)
		}
		*path = absolute
	}
	if err := os.MkdirAll(c.AdaptersDir, 0o700); err != nil {
		return fmt.Errorf("making the adapters folder: %w", err)
	}
	// The folder's name marks all processes, so it must be the same however it
	// was reached.
	real, err := filepath.EvalSymlinks(c.AdaptersDir)
	if err != nil {
		return fmt.Errorf("finding the adapters folder: %w", err)
	}
	c.AdaptersDir = real
	return nil
}

func (c *Config) setDefaults() {
	if c.DrainDelay == 0 {
		c.DrainDelay = time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 5 * time.Minute
	}
	if c.StopGrace == 0 {
		c.StopGrace = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Supports implements adapters.Deployer: this runtime runs nothing but bridges.
func (d *Deployer) Supports(s adapters.Spec) error {
	if s.ImageName == adapters.BridgeImage {
		return nil
	}
	return fmt.Errorf("%w: image %q cannot run here, since the one-machine runtime runs only %q; the Kubernetes runtime runs images",
		adapters.ErrUnsupported, s.ImageName, adapters.BridgeImage)
}

// Conditions implements adapters.Deployer: one machine has no identity to lend.
func (d *Deployer) Conditions(a adapters.Adapter) []adapters.Condition {
	if !a.UseWorkloadIdentity {
		return nil
	}
	return []adapters.Condition{{
		Type: adapters.ConditionWorkloadIdentity, Status: adapters.StatusFalse, Reason: adapters.ReasonNoEffect,
		Message:            "Workload identity has no effect on one machine: the server runs with the identity of the machine's user.",
		LastTransitionTime: a.LastUpdatedAt,
	}}
}

// Instances implements adapters.Deployer. Replicas are in order of ordinal, and
// of two with the same, the older comes first. The answer is shared by all who
// ask, and must not be changed.
func (d *Deployer) Instances() map[adapters.UID][]adapters.Instance {
	return *d.table.snapshot.Load()
}

// Changes implements adapters.Deployer.
func (d *Deployer) Changes(ctx context.Context) <-chan struct{} {
	return d.table.listeners.Changes(ctx)
}
