package server_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// BenchmarkThousand is how long a change takes to be with Envoy where there are a
// thousand adapters, from when a Store or a Deployer tells of it until Envoy has
// accepted it. A change is followed by the next at once.
func BenchmarkThousand(b *testing.B) {
	g := newGateway(b, nil)
	replica := g.replica("r")
	all := make([]adapters.Adapter, 1000)
	for i := range all {
		all[i] = g.add(fmt.Sprintf("many-%d", i), replica)
	}
	g.startEnvoy()
	for _, a := range all {
		g.awaitProgrammed(a, adapters.StatusTrue)
	}
	b.Run("replica", func(b *testing.B) {
		states := []adapters.InstanceState{adapters.InstanceStarting, adapters.InstanceReady}
		g.measure(b, func(i int) adapters.Adapter {
			a, changed := all[i/2%len(all)], replica
			changed.State = states[i%2]
			g.deployer.SetInstances(a.ID, changed)
			return a
		})
	})
	added := 0
	b.Run("adapter", func(b *testing.B) {
		g.measure(b, func(int) adapters.Adapter {
			added++
			return g.add(fmt.Sprintf("new-%d", added), replica)
		})
	})
}

// measure reports how long it takes until Envoy works with what change made of the
// adapter that it returns.
func (g *gateway) measure(b *testing.B, change func(i int) adapters.Adapter) {
	b.Helper()
	var took []time.Duration
	changes := g.loop.Changes(b.Context())
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		a := change(i)
		for g.loop.Programmed(a).Status != adapters.StatusTrue {
			<-changes
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}
