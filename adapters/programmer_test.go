package adapters_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestWait(t *testing.T) {
	hash := valid().TemplateHash()
	ready := adapters.Instance{ID: "a", State: adapters.InstanceReady, TemplateHash: hash}
	t.Run("until all replicas are ready", func(t *testing.T) {
		w := newWorld()
		spec := valid()
		spec.ReplicaCount = 2
		a := w.create(t, spec)
		old := adapters.Instance{ID: "b", State: adapters.InstanceFailed, TemplateHash: "old"}
		for _, tooEarly := range [][]adapters.Instance{{old}, {ready}, {ready, old}} {
			w.deployer.SetInstances(a.ID, tooEarly...)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			w.service.Wait(ctx, a)
			if ctx.Err() == nil {
				t.Errorf("did not wait with %+v", tooEarly)
			}
			cancel()
		}
		waited := make(chan struct{})
		go func() { w.service.Wait(t.Context(), a); close(waited) }()
		w.deployer.SetInstances(a.ID, ready, ready)
		<-waited
	})
	t.Run("until programmed", func(t *testing.T) {
		programmer := &fakeProgrammer{status: adapters.StatusUnknown}
		w := newWorld(func(cfg *adapters.ServiceConfig) { cfg.Programmer = programmer })
		a := w.create(t, valid())
		w.deployer.SetInstances(a.ID, ready)
		waited := make(chan struct{})
		go func() { w.service.Wait(t.Context(), a); close(waited) }()
		programmer.set(adapters.StatusTrue)
		<-waited
	})
	t.Run("until failed", func(t *testing.T) {
		w := newWorld()
		a := w.create(t, valid())
		w.deployer.SetInstances(a.ID, adapters.Instance{State: adapters.InstanceFailed, TemplateHash: hash})
		w.service.Wait(t.Context(), a)
	})
	t.Run("for nothing", func(t *testing.T) {
		w := newWorld()
		spec := valid()
		spec.ReplicaCount = 0
		w.service.Wait(t.Context(), w.create(t, spec))
	})
	t.Run("until the end", func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.service.Wait(ctx, w.create(t, valid()))
	})
}

func TestDeleteWaitsForEnvoy(t *testing.T) {
	programmer := &fakeProgrammer{status: adapters.StatusTrue}
	w := newWorld(func(cfg *adapters.ServiceConfig) { cfg.Programmer = programmer })
	a := w.create(t, valid())
	programmer.withdraw = func(ctx context.Context, id adapters.UID) {
		if _, err := w.store.Get(t.Context(), a.Name); !errors.Is(err, adapters.ErrNotFound) || id != a.ID {
			t.Errorf("waiting for %s while the store says %v", id, err)
		}
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("an Envoy that does not answer is waited for without end")
		}
		programmer.set("withdrawn")
	}
	if err := w.service.Delete(t.Context(), a.Name, func(adapters.Adapter) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if programmer.Programmed(a).Status != "withdrawn" {
		t.Error("Delete did not wait")
	}
}

type fakeProgrammer struct {
	mu       sync.Mutex
	status   string
	withdraw func(context.Context, adapters.UID)
}

func (p *fakeProgrammer) Withdrawn(ctx context.Context, id adapters.UID) { p.withdraw(ctx, id) }

func (p *fakeProgrammer) set(status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *fakeProgrammer) Programmed(adapters.Adapter) adapters.Condition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return adapters.Condition{Type: adapters.ConditionProgrammed, Status: p.status, Reason: "Told"}
}
