package snapshot

import (
	"fmt"
	"maps"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// counting counts what is translated.
type counting struct {
	Translator
	translated []string
}

func (c *counting) Adapter(e translate.Entry) (*translate.Adapter, error) {
	c.translated = append(c.translated, e.Adapter.Name)
	return c.Translator.Adapter(e)
}

// TestAChangeLeavesTheRest: of what has not changed nothing is made again, and what
// is taken from the round before has the versions that it would have anew.
func TestAChangeLeavesTheRest(t *testing.T) {
	b := newBench(t)
	count := &counting{Translator: b.config.Translator}
	b.config.Translator = count
	one, two := b.add("one"), b.add("two")
	b.add("three")
	b.makeRound()
	routes := func() *routev3.RouteConfiguration {
		return b.state.published.snapshot.GetResources(resourcev3.RouteType)[contract.RoutesPublic].(*routev3.RouteConfiguration)
	}
	for _, change := range []struct {
		name       string
		make       func()
		translated []string
		sameRoutes bool
	}{
		{name: "nothing", make: func() {}, sameRoutes: true},
		{name: "a replica", translated: []string{"one"}, sameRoutes: true, make: func() {
			b.deployer.SetInstances(one.ID, adapters.Instance{ID: "one", Address: "/other", State: adapters.InstanceReady})
		}},
		{name: "tools", translated: []string{"one"}, make: func() {
			b.deployer.SetInstances(one.ID, adapters.Instance{ID: "one", Address: "/other", State: adapters.InstanceReady, Tools: []string{"echo"}})
		}},
		{name: "a spec", translated: []string{"two"}, make: func() {
			two.RequiredRoles = []string{"another"}
			two.Generation++
			if _, err := b.store.Update(t.Context(), two, ""); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a new one", translated: []string{"four"}, make: func() { b.add("four") }},
		{name: "one less", make: func() {
			if err := b.store.Delete(t.Context(), "three", ""); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		count.translated = nil
		before := routes()
		change.make()
		b.makeRound()
		if diff := cmp.Diff(change.translated, count.translated); diff != "" {
			t.Errorf("%s: translated (-want +got):\n%s", change.name, diff)
		}
		if (routes() == before) != change.sameRoutes {
			t.Errorf("%s: the routes are the same: %t", change.name, !change.sameRoutes)
		}
		resources, err := count.Resources(b.press.kept, translate.Trust{})
		if err != nil {
			t.Fatal(err)
		}
		anew, err := newRevision(resources, digest)
		if err != nil {
			t.Fatal(err)
		}
		if !anew.equal(b.state.published) {
			t.Errorf("%s: published %v, anew %v", change.name, b.state.published.versions, anew.versions)
		}
		if want := len(b.press.kept)*2 + 3; len(b.press.digests) != want {
			t.Errorf("%s: %d digests are kept, want %d: %v", change.name, len(b.press.digests), want, maps.Keys(b.press.digests))
		}
	}
}

// TestProgrammingIsMeasured: from when a change was seen until the last Envoy
// answered, each change once.
func TestProgrammingIsMeasured(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.makeRound()
	want := func(count uint64, least time.Duration) {
		t.Helper()
		var got dto.Metric
		if err := b.metrics.programming.(prometheus.Metric).Write(&got); err != nil {
			t.Fatal(err)
		}
		if n, sum := got.GetHistogram().GetSampleCount(), got.GetHistogram().GetSampleSum(); n != count || sum < least.Seconds() {
			t.Errorf("%d changes took %v s, want %d and %v at least", n, sum, count, least)
		}
	}
	// Nobody was there to answer.
	b.Opened(1)
	b.ackAll(1)
	want(0, 0)
	b.Opened(2)
	b.ackAll(2)
	b.deployer.SetInstances(a.ID, adapters.Instance{ID: "one", Address: "/other", State: adapters.InstanceReady})
	if _, err := b.round(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.makeRound()
	b.ackAll(1)
	want(0, 0)
	b.ackAll(2)
	want(1, time.Hour)
	b.ackAll(1)
	want(1, time.Hour)
}

// TestToolsWaitForEachOther: the names of many adapters' tools are few changes of
// the routes, and none of them is lost.
func TestToolsWaitForEachOther(t *testing.T) {
	b := newBench(t)
	var all []adapters.Adapter
	for i := range 20 {
		all = append(all, b.add(fmt.Sprintf("a%d", i)))
	}
	b.makeRound()
	versions := map[string]bool{b.state.published.routes(): true}
	var wait time.Duration
	for _, a := range all {
		b.deployer.SetInstances(a.ID, adapters.Instance{ID: a.Name, Address: "/" + a.Name, State: adapters.InstanceReady, Tools: []string{"echo"}})
		var err error
		if wait, err = b.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		versions[b.state.published.routes()] = true
	}
	if len(versions) != 2 {
		t.Errorf("%d versions of the routes, want 2", len(versions))
	}
	if wait <= 0 || wait > toolsPause {
		t.Errorf("the next round is in %v", wait)
	}
	// A new adapter has its tools at once, and takes nobody else's with it.
	b.add("new")
	b.makeRound()
	b.toolsAfter = time.Time{}
	if wait, err := b.round(t.Context(), time.Now()); err != nil || wait != 0 {
		t.Errorf("after the pause: in %v, error %v", wait, err)
	}
	for _, a := range all {
		if !sameTools(b.last[a.ID].tools, []string{"echo"}) {
			t.Errorf("%s has the tools %v", a.Name, b.last[a.ID].tools)
		}
	}
}

// BenchmarkChange is what the change of one replica costs among a thousand
// adapters, from the list of all to the answers of an Envoy and a peer.
func BenchmarkChange(b *testing.B) {
	world := newBench(b)
	all := make([]adapters.Adapter, 1000)
	for i := range all {
		all[i] = world.add(fmt.Sprintf("many-%d", i))
	}
	world.Opened(1)
	world.makeRound()
	world.ackAll(1)
	states := []adapters.InstanceState{adapters.InstanceStarting, adapters.InstanceReady}
	for i := 0; b.Loop(); i++ {
		a := all[i/2%len(all)]
		world.deployer.SetInstances(a.ID, adapters.Instance{ID: a.Name, Address: "/" + a.Name, State: states[i%2]})
		world.makeRound()
		world.Acked(1, world.send(1, resourcev3.EndpointType))
		world.Reported("peer", world.Report())
	}
}
