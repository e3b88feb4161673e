package kube

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/deploy"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/reconcile"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// Deployer is what runs of the adapters of the namespace. Cluster.Run does its
// work, whoever runs the Deployer itself; on every replica it says what there is,
// and on the one that leads it changes it.
func (c *Cluster) Deployer() adapters.Deployer { return runByCluster{c.deployer} }

// runByCluster is a Deployer whose work somebody else does.
type runByCluster struct{ *deploy.Deployer }

// Run implements adapters.Deployer. It only waits for the end of ctx.
func (runByCluster) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// addDeployer makes c say, and while it leads do, what runs.
func (c *Cluster) addDeployer() error {
	api, err := kubernetes.NewForConfigAndClient(c.objects.GetConfig(), c.objects.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("preparing to read logs and events: %w", err)
	}
	var reconciler *reconcile.Reconciler
	c.deployer = deploy.New(deploy.Config{
		Cache: c.objects.GetCache(), API: api, Namespace: c.cfg.Namespace, Store: c.store, Settings: c.cfg.Settings, Log: c.cfg.Log,
		Asleep: c.asleep(),
		Touch:  func(names []string) { reconciler.Touch(names) },
	})
	reconciler = reconcile.New(reconcile.Config{
		Cache: c.objects.GetCache(), Client: c.objects.GetClient(), Direct: c.objects.GetAPIReader(), Namespace: c.cfg.Namespace,
		Read: func(ctx context.Context, object *v1alpha1.MCPAdapter) (adapters.Adapter, error) {
			return c.store.read(object, c.store.cachedSecrets(ctx))
		},
		Known:     c.deployer.Known(),
		Status:    c.statusOf(),
		Instances: func(id adapters.UID) []adapters.Instance { return c.deployer.Instances()[id] },
		Idle: func(a adapters.Adapter) (time.Time, bool) {
			if c.uses == nil {
				return time.Time{}, false
			}
			return c.uses.IdleSince(a)
		},
		URL: func(name string) string {
			return strings.TrimSuffix(c.cfg.PublicURL, "/") + "/adapters/" + name + "/mcp"
		},
		Settings: c.cfg.Settings, Log: c.cfg.Log,
	})
	c.everywhere = append(c.everywhere, c.deployer.Run)
	c.leading = append(c.leading, reconciler.Run)
	return nil
}

// ReportProgrammed makes the replica that leads write what p knows into adapters'
// status. To be called before Run.
func (c *Cluster) ReportProgrammed(p adapters.Programmer) { c.programmer = p }

// statusOf says how adapters are, as the API does.
func (c *Cluster) statusOf() func(adapters.Adapter) adapters.Status {
	service := adapters.NewService(adapters.ServiceConfig{Store: c.store, Deployer: c.deployer, Check: c.cfg.Check, Limits: c.cfg.Limits})
	return func(a adapters.Adapter) adapters.Status {
		status := service.Status(a)
		if c.programmer != nil {
			status.Conditions = append(status.Conditions, c.programmer.Programmed(a))
		}
		return status
	}
}

// owned are the kinds that adapters are made of: of each, the cache has Mooring's
// own.
func owned() map[client.Object]cache.ByObject {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{objects.LabelManagedBy: objects.ManagedBy})}
	return map[client.Object]cache.ByObject{
		&appsv1.StatefulSet{}:           ours,
		&corev1.Service{}:               ours,
		&corev1.Pod{}:                   ours,
		&discoveryv1.EndpointSlice{}:    ours,
		&networkingv1.NetworkPolicy{}:   ours,
		&policyv1.PodDisruptionBudget{}: ours,
	}
}

// with is both.
func with(some, more map[client.Object]cache.ByObject) map[client.Object]cache.ByObject {
	maps.Copy(some, more)
	return some
}
