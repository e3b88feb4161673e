package snapshot

import (
	"context"
	"testing"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
)

// withdrawing begins to wait for the end of a.
func (b *bench) withdrawing(a adapters.Adapter) (done chan struct{}) {
	b.t.Helper()
	done = make(chan struct{})
	go func() { defer close(done); b.Withdrawn(b.t.Context(), a.ID) }()
	return done
}

func TestWithdrawnFollowsEveryEnvoy(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.add("two")
	b.Opened(1)
	b.Opened(2)
	b.makeRound()
	b.ackAll(1)
	b.ackAll(2)
	if err := b.store.Delete(t.Context(), a.Name, ""); err != nil {
		t.Fatal(err)
	}
	done := b.withdrawing(a)
	var w withdrawal
	if b.withdrawn(a.ID, &w) {
		t.Error("withdrawn before the routes were made without it")
	}
	b.makeRound()
	b.ackAll(1)
	if b.withdrawn(a.ID, &w) {
		t.Error("withdrawn while an Envoy has not answered")
	}
	// What is changed after does not hold it up.
	late := b.send(2, resourcev3.RouteType)
	b.add("three")
	b.makeRound()
	b.Acked(2, late)
	if !b.withdrawn(a.ID, &w) {
		t.Error("not withdrawn though all have answered")
	}
	// Neither does an Envoy that is gone.
	b.Closed(2)
	b.ackAll(1)
	if !b.withdrawn(a.ID, new(withdrawal)) {
		t.Error("an Envoy that is gone is waited for")
	}
	// Whenever the waiting began, it has an end.
	<-done
}

func TestWithdrawnEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.Opened(1)
	b.makeRound()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.Withdrawn(ctx, a.ID)
}

func TestWithdrawnWithoutEnvoyIsAtOnce(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.makeRound()
	if err := b.store.Delete(t.Context(), a.Name, ""); err != nil {
		t.Fatal(err)
	}
	done := b.withdrawing(a)
	b.makeRound()
	<-done
}
