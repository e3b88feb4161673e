// Package snapshot keeps Envoy's configuration equal to the adapters: one loop
// lists adapters and instances on any change, translates all of them, and
// publishes what changed. It follows what each connected Envoy accepts, leaves
// out what one refuses, and says so. It refuses to know how a resource is made
// and how it travels.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

const (
	// settle is how long changes are collected before they are acted on: a
	// change seldom comes alone, and all routes are one resource.
	settle = 10 * time.Millisecond
	// retryAfter is how long to wait after a Store did not answer.
	retryAfter = time.Second
	// trialInterval is how often to look whether the next trial may begin.
	trialInterval = 50 * time.Millisecond
)

// Lister keeps adapters: the part of adapters.Store that is needed here.
type Lister interface {
	List(ctx context.Context) ([]adapters.Adapter, error)
	Changes(ctx context.Context) <-chan struct{}
}

// Runner runs instances: the part of adapters.Deployer that is needed here.
type Runner interface {
	Instances() map[adapters.UID][]adapters.Instance
	Changes(ctx context.Context) <-chan struct{}
}

// Translator makes resources; translate.Translator is one. The same routes of the
// same adapters are the same route configuration.
type Translator interface {
	Adapter(translate.Entry) (*translate.Adapter, error)
	Resources([]*translate.Adapter, translate.Trust) (translate.Resources, error)
}

// Truster knows whose tokens Envoy may believe by itself.
type Truster interface {
	Trust() (translate.Trust, error)
	Changes(ctx context.Context) <-chan struct{}
}

// Config is what a Loop works with. All fields are required but Truster and Known.
type Config struct {
	Store      Lister
	Deployer   Runner
	Translator Translator
	// Truster knows whose tokens Envoy may believe by itself. Nil means nobody's.
	Truster Truster
	// Known is closed once the Deployer knows what runs. Nil means that it always
	// does.
	Known      <-chan struct{}
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Loop publishes the configuration and follows its acceptance. It is safe for
// use by several goroutines.
type Loop struct {
	config  Config
	cache   cachev3.SnapshotCache
	metrics *metrics
	// kick asks for another round.
	kick chan struct{}
	// started tells adapters created in this process's time from older ones.
	started time.Time
	// last are the rows of the last round. Only Run uses them.
	last map[adapters.UID]*row
	// toolsAfter is when names of tools may change routes again. Only Run uses it.
	toolsAfter time.Time
	// press makes revisions. Only Run uses it.
	press press
	// changes tells of every change of state.
	changes adapters.Notifier
	// published is closed once there is something to send.
	published chan struct{}

	mu    sync.Mutex
	state state
}

// New is a Loop that has published nothing.
func New(c Config) *Loop {
	l := &Loop{
		config:  c,
		cache:   cachev3.NewSnapshotCache(true, oneForAll{}, cacheLog{c.Log}),
		metrics: newMetrics(c.Registerer),
		kick:    make(chan struct{}, 1),
		started: time.Now(),
		state:   newState(),

		published: make(chan struct{}),
	}
	c.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mooring_xds_unprogrammed_seconds",
		Help: "How long the adapter that has waited longest is without its current configuration in Envoy.",
	}, l.unprogrammed))
	return l
}

// oneForAll gives each Envoy the same configuration.
type oneForAll struct{}

const node = "envoy"

func (oneForAll) ID(*corev3.Node) string { return node }

// Cache is where the published resources are, for the server that sends them.
func (l *Loop) Cache() cachev3.SnapshotCache { return l.cache }

// Published is closed once there is a configuration to send: who is served before
// waits, where another control plane might have it already.
func (l *Loop) Published() <-chan struct{} { return l.published }

// Run works until ctx ends. It is to be called once.
func (l *Loop) Run(ctx context.Context) error {
	changed := changes{stored: l.config.Store.Changes(ctx), deployed: l.config.Deployer.Changes(ctx), kicked: l.kick}
	if l.config.Truster != nil {
		changed.trusted = l.config.Truster.Changes(ctx)
	}
	l.awaitInstances(ctx, changed.deployed)
	ticker := time.NewTicker(trialInterval)
	defer ticker.Stop()
	seen := time.Now()
	for {
		var retry <-chan time.Time
		began := time.Now()
		wait, err := l.round(ctx, seen)
		if err != nil && ctx.Err() == nil {
			l.config.Log.Error("configuration not updated", "error", err)
			wait = retryAfter
		}
		if wait > 0 {
			retry = time.After(wait)
		}
		if seen = began; !changed.drain() {
			if !l.await(ctx, changed, retry, ticker.C) {
				return nil
			}
			seen = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
		changed.drain()
	}
}

// Ready answers why nothing is published yet, or nil.
func (l *Loop) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.published == nil {
		return errors.New("no configuration was published yet")
	}
	return nil
}

// round lists, translates, compares, and publishes what changed. The changes were
// seen at that time or later. wait is when to look again though nothing changes; zero
// means never.
func (l *Loop) round(ctx context.Context, seen time.Time) (wait time.Duration, err error) {
	list, err := l.config.Store.List(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing adapters: %w", err)
	}
	instances := l.config.Deployer.Instances()
	l.metrics.count(list, instances, l.asleep)
	rows, wait := l.rows(list, instances)
	kept := l.admit(rows)
	next, err := l.next(kept)
	if err != nil {
		return wait, err
	}
	if !l.record(rows, next, seen) {
		return wait, nil
	}
	if err := l.cache.SetSnapshot(ctx, node, next.snapshot); err != nil && !errors.Is(err, context.Canceled) {
		return wait, fmt.Errorf("publishing snapshot: %w", err)
	}
	select {
	case <-l.published:
	default:
		close(l.published)
	}
	return wait, nil
}

// next is the revision of those adapters under the trust of now. Where an Envoy
// has refused such filters it goes on with those that it had, and so believes
// what it should not any more: then it is told to believe nobody.
func (l *Loop) next(kept []*translate.Adapter) (*revision, error) {
	var trust translate.Trust
	if l.config.Truster != nil {
		var err error
		if trust, err = l.config.Truster.Trust(); err != nil {
			return nil, fmt.Errorf("finding whom to trust: %w", err)
		}
	}
	revision, err := l.revision(kept, trust)
	if err != nil || !l.refused(revision.filters()) {
		return revision, err
	}
	return l.revision(kept, translate.Trust{})
}

func (l *Loop) revision(kept []*translate.Adapter, trust translate.Trust) (*revision, error) {
	resources, err := l.config.Translator.Resources(kept, trust)
	if err != nil {
		return nil, err
	}
	return l.press.revision(resources, kept)
}

// refused reports whether an Envoy has refused that version of the filters.
func (l *Loop) refused(version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.refusedFilters[version]
}

// again asks for another round.
func (l *Loop) again() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// cacheLog passes on what the cache warns of. The rest it says of every watch.
type cacheLog struct{ log *slog.Logger }

func (cacheLog) Debugf(string, ...any) {}
func (cacheLog) Infof(string, ...any)  {}

func (c cacheLog) Warnf(format string, args ...any) {
	c.log.Warn("configuration cache", "message", fmt.Sprintf(format, args...))
}

func (c cacheLog) Errorf(format string, args ...any) {
	c.log.Error("configuration cache", "message", fmt.Sprintf(format, args...))
}
