package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestAffinity holds that modern requests with the same key go to the same
// replica, that a further replica takes its share of the keys and hardly any
// other key moves, and that a replica that was replaced keeps its own.
func TestAffinity(t *testing.T) {
	for affinity, header := range map[adapters.Affinity]string{
		adapters.AffinityPrincipal: "X-Test-Principal",
		"header:mcp-param-region":  "Mcp-Param-Region",
	} {
		t.Run(string(affinity), func(t *testing.T) {
			const keys = 300
			g := newGateway(t, nil)
			replicas := []adapters.Instance{g.replica("r0"), g.replica("r1"), g.replica("r2"), g.replica("r3")}
			for i := range replicas {
				replicas[i].Ordinal = i
			}
			a := g.add("one", replicas[:3]...)
			a.Affinity = affinity
			a, err := g.store.Update(t.Context(), a, a.Revision)
			if err != nil {
				t.Fatal(err)
			}
			g.startEnvoy()
			g.awaitProgrammed(a, "True")
			ask := func(key int) string {
				got := g.ask("POST", "/adapters/one/mcp", "Mcp-Protocol-Version", "2026-07-28", header, fmt.Sprintf("key-%d", key))
				replica, _, _ := strings.Cut(got.body, "\n")
				return replica
			}
			before, shares := make([]string, keys), map[string]int{}
			for key := range keys {
				before[key] = ask(key)
				shares[before[key]]++
				if again := ask(key); again != before[key] {
					t.Fatalf("key %d went to %q, then to %q", key, before[key], again)
				}
			}
			if len(shares) != 3 || shares["r0"] < keys/10 || shares["r1"] < keys/10 || shares["r2"] < keys/10 {
				t.Errorf("shares %v", shares)
			}

			g.deployer.SetInstances(a.ID, replicas...)
			g.await("the new replica serves", func() bool {
				for key := range keys {
					if ask(key) == "r3" {
						return true
					}
				}
				return false
			})
			moved, others := 0, 0
			for key := range keys {
				switch now := ask(key); {
				case now == "r3":
					moved++
				case now != before[key]:
					others++
				}
			}
			if moved > keys/2 {
				t.Errorf("%d of %d keys moved", moved, keys)
			}
			if others > keys/50 {
				t.Errorf("%d of %d keys moved between the replicas that were there", others, keys)
			}

			anew := g.replica("r0-anew")
			old := replicas[0]
			old.State = adapters.InstanceDraining
			g.deployer.SetInstances(a.ID, append([]adapters.Instance{old, anew}, replicas[1:3]...)...)
			g.await("the replaced replica's keys are at its successor", func() bool {
				for key := range keys {
					if want := strings.Replace(before[key], "r0", "r0-anew", 1); ask(key) != want {
						return false
					}
				}
				return true
			})
		})
	}
}
