package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

func TestPosture(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	ready := func(since time.Duration) adapters.Instance {
		return adapters.Instance{State: adapters.InstanceReady, Since: ago(since)}
	}
	idle := rest{
		now: now, after: time.Minute, wanted: 1, known: true, idle: ago(time.Hour), instances: []adapters.Instance{ready(time.Hour)},
	}
	for name, test := range map[string]struct {
		change func(*rest)
		want   posture
		wait   time.Duration
	}{
		"nobody calls":      {func(*rest) {}, fallAsleep, dozing},
		"never":             {func(s *rest) { s.after = 0 }, awake, 0},
		"no replicas":       {func(s *rest) { s.wanted = 0 }, awake, 0},
		"called lately":     {func(s *rest) { s.idle = ago(40 * time.Second) }, awake, 20 * time.Second},
		"ready lately":      {func(s *rest) { s.instances = append(s.instances, ready(50*time.Second)) }, awake, 10 * time.Second},
		"woken lately":      {func(s *rest) { s.woken = ago(59 * time.Second) }, awake, time.Second},
		"unknown":           {func(s *rest) { s.known = false }, awake, lookAgain},
		"unknown, patient":  {func(s *rest) { s.known, s.after = false, time.Hour }, awake, 5 * time.Minute},
		"none serves":       {func(s *rest) { s.instances = nil }, awake, 0},
		"all failed":        {func(s *rest) { s.instances[0].State = adapters.InstanceFailed }, awake, 0},
		"one failed":        {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceFailed}) }, fallAsleep, dozing},
		"one starts":        {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceStarting}) }, awake, 0},
		"one ends":          {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceDraining}) }, awake, 0},
		"marked":            {func(s *rest) { s.asleep = ago(5 * time.Second) }, doze, dozing - 5*time.Second},
		"marked, called":    {func(s *rest) { s.asleep, s.idle = ago(15*time.Second), ago(time.Second) }, wake, 0},
		"marked, unknown":   {func(s *rest) { s.asleep, s.known = ago(dozing), false }, doze, lookAgain},
		"unknown for long":  {func(s *rest) { s.asleep, s.known = ago(time.Hour), false }, wake, 0},
		"dozed":             {func(s *rest) { s.asleep = ago(dozing) }, asleep, 0},
		"asleep":            {func(s *rest) { s.asleep, s.ended, s.known = ago(time.Hour), true, false }, asleep, 0},
		"asleep, never now": {func(s *rest) { s.asleep, s.ended, s.after = ago(time.Hour), true, 0 }, wake, 0},
		"asleep, none now":  {func(s *rest) { s.asleep, s.ended, s.wanted = ago(time.Hour), true, 0 }, wake, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := idle
			s.instances = append([]adapters.Instance(nil), idle.instances...)
			test.change(&s)
			if got, wait := s.posture(); got != test.want || wait != test.wait {
				t.Errorf("got %d, and looks again after %s", got, wait)
			}
		})
	}
}

// conflicting is a client to which somebody is always ahead, and which knows no
// StatefulSet.
type conflicting struct{ client.Client }

func (conflicting) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, "")
}

func (conflicting) Status() client.SubResourceWriter { return conflictingStatus{} }

type conflictingStatus struct{ client.SubResourceWriter }

func (conflictingStatus) Patch(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	return apierrors.NewConflict(schema.GroupResource{}, "one", errors.New("somebody was ahead"))
}

// TestMarkedAgain: where somebody wrote to the adapter at the same time, whether it
// sleeps is looked at in a moment, since what came between may tell nobody.
func TestMarkedAgain(t *testing.T) {
	now := time.Now()
	r := New(Config{Client: conflicting{}, Idle: func(adapters.Adapter) (time.Time, bool) { return now, true }})
	in := objects.Input{Object: &v1alpha1.MCPAdapter{}, Adapter: adapters.Adapter{Spec: adapters.Spec{Name: "one", ReplicaCount: 1}}}
	r.cfg.Settings.ScaleToZero.After.Duration = time.Minute
	in.Object.Status.AsleepSince = &metav1.Time{Time: now.Add(-time.Second)}
	if sleeps, wait, err := r.settle(t.Context(), in); sleeps || wait != again || err != nil {
		t.Errorf("it sleeps: %t, is looked at again after %s, %v", sleeps, wait, err)
	}
}
