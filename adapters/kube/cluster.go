// Package kube keeps and runs adapters on Kubernetes: its Store is the custom
// resource MCPAdapter, and its Deployer makes pods of them. Every replica of the
// control plane reads from its own cache of one namespace; the one that leads
// writes workloads and status. The package knows nothing of HTTP or Envoy, and
// judges nobody's right to anything: who may use Kubernetes' API is RBAC's.
package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/deploy"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// userAgent is what Kubernetes' API server knows this program by.
const userAgent = "mooring-xds"

// Config is what a Cluster works with.
type Config struct {
	// REST says how to reach the API server. Required. Where its QPS is zero,
	// requests are not held back here: the server's own fairness bounds them.
	REST *rest.Config
	// Namespace is that of the adapters, their pods and their secrets. Required.
	Namespace string
	// LeaseNamespace is that of the lease that the leader holds. Empty means
	// Namespace.
	LeaseNamespace string
	// Identity names this replica in the lease: its pod's name. Required.
	Identity string
	// PublicURL is the gateway's address to the world, which adapters' status has.
	PublicURL string
	// Settings are the operator's, for adapters' pods: see LoadSettings. Required.
	Settings Settings
	// Check returns what Spec.Validate cannot know, as adapters.ServiceConfig's
	// does: what the API would refuse is not run because it came through
	// Kubernetes. Nil means nothing.
	Check func(adapters.Spec) []adapters.Fault
	// Limits are the operator's. The zero value is the default.
	Limits adapters.Limits
	// Log is where all of it logs, Kubernetes' libraries included. Nil means
	// nowhere.
	Log *slog.Logger
	// Metrics gets the metrics of Kubernetes' libraries. Nil means that nobody
	// does.
	Metrics prometheus.Registerer
}

// Cluster is a connection to Kubernetes. Connect makes one.
type Cluster struct {
	cfg Config
	// objects has the client, and the cache of one namespace.
	objects cluster.Cluster
	store   *Store
	// deployer says what runs, on every replica.
	deployer *deploy.Deployer
	// programmer knows what Envoys have accepted. Nil means that nobody does.
	programmer adapters.Programmer
	// uses knows when adapters were used. Nil means that nobody does, so that none
	// falls asleep.
	uses adapters.UseMeter
	keys *keysDocument
	// everywhere run on every replica, and leading on the one that leads, until it
	// does no more: they may run several times, one after the other.
	everywhere, leading []func(context.Context) error
}

// Connect prepares a connection, which does nothing until Run.
func Connect(cfg Config) (*Cluster, error) {
	if cfg.REST == nil || cfg.Namespace == "" || cfg.Identity == "" {
		return nil, errors.New("a cluster needs an API server, a namespace and an identity")
	}
	if err := cfg.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("settings of adapters' pods: %w", err)
	}
	cfg.LeaseNamespace = cmp.Or(cfg.LeaseNamespace, cfg.Namespace)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Check == nil {
		cfg.Check = func(adapters.Spec) []adapters.Fault { return nil }
	}
	logThrough(cfg.Log)
	cfg.REST = rest.CopyConfig(cfg.REST)
	cfg.REST.UserAgent = userAgent
	if cfg.REST.QPS == 0 {
		cfg.REST.QPS = -1
	}
	objects, err := cluster.New(cfg.REST, cfg.options)
	if err != nil {
		return nil, fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(libraryMetrics{}); err != nil {
			return nil, fmt.Errorf("registering metrics of Kubernetes' libraries: %w", err)
		}
	}
	c := &Cluster{cfg: cfg, objects: objects}
	c.store = newStore(cfg, objects)
	c.everywhere = append(c.everywhere, c.store.follow)
	c.addAPIKeys()
	if err := c.addDeployer(); err != nil {
		return nil, err
	}
	return c, nil
}

// Known is closed once this replica knows what runs: what it says before is
// nothing to go by.
func (c *Cluster) Known() <-chan struct{} { return c.deployer.Known() }

// Store is the adapters of the namespace. Its answers wait for Run.
func (c *Cluster) Store() adapters.Store { return c.store }

// Run fills the cache, keeps it up to date, and does what the leader does while
// this replica leads. It returns once ctx has ended and all of it has.
func (c *Cluster) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	terms := make(chan context.Context)
	group.Go(func() error { return c.objects.Start(ctx) })
	group.Go(func() error { return c.runAll(ctx, c.everywhere) })
	group.Go(func() error { return c.elect(ctx, terms) })
	group.Go(func() error { return c.lead(ctx, terms) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("running on Kubernetes: %w", err)
	}
	return nil
}

// options are those of the client and its cache.
func (c *Config) options(o *cluster.Options) {
	o.Scheme = newScheme()
	o.Logger = logr.FromSlogHandler(c.Log.Handler())
	waits := true
	o.Client.Cache = &client.CacheOptions{EnableReadYourWritesConsistency: &waits}
	o.Cache = cache.Options{
		DefaultNamespaces: map[string]cache.Config{c.Namespace: {}},
		// Who changed what last is of interest for adapters alone.
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: with(owned(), map[client.Object]cache.ByObject{
			&v1alpha1.MCPAdapter{}: {Transform: func(object any) (any, error) { return object, nil }},
			// What no adapter can mean is not even asked for.
			&corev1.Secret{}: {Field: fields.AndSelectors(
				fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
				fields.OneTermNotEqualSelector("type", string(corev1.SecretTypeServiceAccountToken)),
			)},
		}),
	}
}

// newScheme knows Kubernetes' own types and the adapters.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic("kube: types that cannot be registered: " + err.Error())
		}
	}
	return scheme
}

// logOnce: Kubernetes' libraries have one logger for the whole program, which
// must not be set while they work.
var logOnce sync.Once

func logThrough(log *slog.Logger) {
	logOnce.Do(func() {
		ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
		klog.SetSlogLogger(log)
	})
}
