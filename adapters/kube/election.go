package kube

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The lease, and its times, which are those that Kubernetes' own components use.
const (
	leaseName     = "mooring-xds"
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// elect takes part in one election after the other until ctx ends, and puts the
// context of each term into terms. A replica that cannot reach the API server any
// more stops leading and goes on reading: its cache is what Envoys live on until
// the server is back.
func (c *Cluster) elect(ctx context.Context, terms chan<- context.Context) error {
	leases, err := coordinationv1.NewForConfigAndClient(c.objects.GetConfig(), c.objects.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("preparing the election of a leader: %w", err)
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: leaseName, Namespace: c.cfg.LeaseNamespace},
			Client:     leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.cfg.Identity},
		},
		Name:          leaseName,
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				select {
				case terms <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("preparing the election of a leader: %w", err)
	}
	for ctx.Err() == nil {
		elector.Run(ctx)
	}
	return nil
}

// lead does what the leader does, in each of the terms. One has ended before the
// next begins.
func (c *Cluster) lead(ctx context.Context, terms <-chan context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case term := <-terms:
			c.cfg.Log.InfoContext(ctx, "this replica leads", "identity", c.cfg.Identity)
			if err := c.runAll(term, c.leading); err != nil {
				return fmt.Errorf("leading: %w", err)
			}
			c.cfg.Log.InfoContext(ctx, "this replica leads no more", "identity", c.cfg.Identity)
		}
	}
}

// runAll runs the tasks, and returns once ctx or one of them has ended and so have
// all.
func (c *Cluster) runAll(ctx context.Context, tasks []func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, task := range tasks {
		group.Go(func() error { return task(ctx) })
	}
	// There may be none.
	group.Go(func() error {
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}
