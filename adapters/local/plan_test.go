package local

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
)

func wantedAdapter(uid, version string, replicas int) adapters.Adapter {
	return adapters.Adapter{ID: adapters.UID(uid), Spec: adapters.Spec{Name: uid, ImageVersion: version, ReplicaCount: replicas}}
}

// standingOf reads "id ordinal version goal flags", flags being of r (ready) and
// s (served).
func standingOf(t *testing.T, text string) standing {
	t.Helper()
	var id, version, flags string
	var ordinal int
	var g goal
	if _, err := fmt.Sscan(text, &id, &ordinal, &version, &g, &flags); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return standing{
		id: id, adapter: "u", ordinal: ordinal, hash: wantedAdapter("u", version, 0).TemplateHash(), goal: g,
		ready: strings.Contains(flags, "r"), served: strings.Contains(flags, "s"),
	}
}

func TestPlan(t *testing.T) {
	tests := map[string]struct {
		wanted   []adapters.Adapter
		replicas []string
		births   []int
		goals    map[string]goal
	}{
		"nothing":              {},
		"a new adapter":        {wanted: []adapters.Adapter{wantedAdapter("u", "1", 2)}, births: []int{0, 1}},
		"all is well":          {wanted: []adapters.Adapter{wantedAdapter("u", "1", 1)}, replicas: []string{"a 0 1 0 rs"}},
		"deleted":              {replicas: []string{"a 0 1 0 rs", "b 0 1 1 s", "c 0 1 3 -"}, goals: map[string]goal{"a": goalRemove, "b": goalRemove}},
		"no place for folders": {wanted: []adapters.Adapter{wantedAdapter("../u", "1", 1), wantedAdapter("", "1", 1), wantedAdapter("..", "1", 1)}},
		"fewer": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "1", 1)},
			replicas: []string{"a 0 1 0 rs", "b 1 1 0 rs", "c 2 1 0 -"},
			goals:    map[string]goal{"b": goalDrain, "c": goalRemove},
		},
		"a drained one's place is free": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "1", 1)},
			replicas: []string{"a 0 1 1 s"}, births: []int{0},
		},
		"two in one place": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "1", 1)},
			replicas: []string{"a 0 1 0 rs", "b 0 1 0 rs"}, goals: map[string]goal{"b": goalDrain},
		},
		"new template, not started": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "2", 1)},
			replicas: []string{"a 0 1 0 rs"}, births: []int{0},
		},
		"new template, starting": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "2", 1)},
			replicas: []string{"a 0 1 0 rs", "b 0 2 0 -"},
		},
		"new template, ready in one place": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "2", 2)},
			replicas: []string{"a 0 1 0 rs", "b 1 1 0 rs", "c 0 2 0 rs", "d 1 2 0 -"}, goals: map[string]goal{"a": goalDrain},
		},
		"third template": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "3", 1)},
			replicas: []string{"a 0 1 0 rs", "b 0 2 0 -"}, births: []int{0}, goals: map[string]goal{"b": goalRemove},
		},
		"back to the first": {
			wanted:   []adapters.Adapter{wantedAdapter("u", "1", 1)},
			replicas: []string{"a 0 1 0 rs", "b 0 2 0 -"}, goals: map[string]goal{"b": goalRemove},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var replicas []standing
			for _, text := range test.replicas {
				replicas = append(replicas, standingOf(t, text))
			}
			births, goals := plan(test.wanted, replicas)
			var ordinals []int
			for _, b := range births {
				ordinals = append(ordinals, b.ordinal)
			}
			if diff := cmp.Diff(test.births, ordinals); diff != "" {
				t.Errorf("births: -want +got\n%s", diff)
			}
			if test.goals == nil {
				test.goals = map[string]goal{}
			}
			if diff := cmp.Diff(test.goals, goals); diff != "" {
				t.Errorf("goals: -want +got\n%s", diff)
			}
		})
	}
}

// TestPlanSettles: from any state, doing what the plan says until all that was
// started is ready and all that was told to end has, leaves what is wanted, and
// never takes the last ready replica of a place that stays.
func TestPlanSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := wantedAdapter("u", "2", rapid.IntRange(0, 4).Draw(t, "replicas"))
		var replicas []standing
		for i := range rapid.IntRange(0, 8).Draw(t, "running") {
			ready := rapid.Bool().Draw(t, "ready")
			replicas = append(replicas, standing{
				id: fmt.Sprint(i), adapter: "u", ordinal: rapid.IntRange(0, 4).Draw(t, "ordinal"),
				hash:  wantedAdapter("u", rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version"), 0).TemplateHash(),
				ready: ready, served: ready || rapid.Bool().Draw(t, "served"),
			})
		}
		for range 10 {
			births, goals := plan([]adapters.Adapter{a}, replicas)
			next := []standing{}
			for _, r := range replicas {
				if goals[r.id] == goalServe {
					r.ready, r.served = true, true
					next = append(next, r)
				}
			}
			for _, b := range births {
				next = append(next, standing{id: fmt.Sprint("n", b.ordinal), adapter: "u", ordinal: b.ordinal, hash: a.TemplateHash()})
			}
			for _, r := range replicas {
				if r.ready && r.ordinal < a.ReplicaCount && !servesAt(next, r.ordinal) {
					t.Fatalf("nothing serves at %d any more", r.ordinal)
				}
			}
			replicas = next
		}
		if len(replicas) != a.ReplicaCount {
			t.Fatalf("%d replicas are left of %d: %+v", len(replicas), a.ReplicaCount, replicas)
		}
		for _, r := range replicas {
			if r.hash != a.TemplateHash() {
				t.Fatalf("an old one is left: %+v", r)
			}
		}
	})
}

func servesAt(replicas []standing, ordinal int) bool {
	for _, r := range replicas {
		if r.ordinal == ordinal && r.ready {
			return true
		}
	}
	return false
}
